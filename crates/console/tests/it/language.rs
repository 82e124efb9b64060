//! What scripts mean, and how their errors look.

use cantle_console::{Locality, NodeKind, NodeRef, Session, SessionError, SessionOptions};

use crate::fake::{console, console_with};

#[test]
fn nodes_are_names_and_in_collections() {
    let mut setup = console_with(&[
        (NodeKind::Participant, "participant1", Locality::Local),
        (NodeKind::Participant, "my-participant", Locality::Remote),
        (NodeKind::Mediator, "med", Locality::Remote),
    ]);
    let printed = setup
        .run("println(participants.local.map(_.name), participants.remote.map(_.name).head, nodes.all.size, my_participant.name, mediator.name, domains.all)")
        .unwrap();
    assert_eq!(printed, "[\"participant1\"] my-participant 3 my-participant med []\n");
    let error = setup.run("participant.name").unwrap_err();
    assert!(error.cause.contains("`participant` not found"), "{error}");
}

#[test]
fn two_nodes_of_one_script_name_are_refused() {
    let setup = console();
    let node = |name: &str| NodeRef::at(NodeKind::Participant, name, Locality::Local, "127.0.0.1:1").unwrap();
    let options = SessionOptions::new(vec![node("a-b"), node("a_b")], setup.runtime.handle().clone());
    assert!(matches!(Session::new(options), Err(SessionError::AmbiguousName { name, .. }) if name == "a_b"));
}

#[test]
fn collections_options_and_texts_have_scalas_methods() {
    let mut setup = console();
    let script = r#"
val xs = Seq(3, 1, 2)
assert(xs.map(_ * 2) == Seq(6, 2, 4))
assert(xs.filter(x => x > 1).size == 2 && xs.exists(_ == 3) && !xs.forall(_ > 1))
assert(xs.head == 3 && xs.last == 2 && xs.tail == [1, 2] && xs.sorted == [1, 2, 3] && xs.max == 3 && xs.sum == 6)
assert(xs.find(_ == 9) == None && xs.find(_ == 1) == Some(1))
assert(xs.find(_ == 9).getOrElse(7) == 7 && xs.headOption.map(_ + 1).get == 4)
assert(xs.mkString(", ") == "3, 1, 2" && xs.zipWithIndex.head._2 == 0 && xs.flatMap(x => Seq(x, x)).length == 6)
assert(Set(1, 1, 2).size == 2 && Map("a" -> 1).get("a") == 1 && xs.contains(3) && xs.nonEmpty && Seq().isEmpty)
val ((a, b), c) = 1 -> 2 -> 3
assert(a == 1 && b == 2 && c == 3)
val text = if (a == 1) "one" else "other"
assert(text.startsWith("o") && text.length == 3 && s"$text ${a + b} $$" == "one 3 $")
assert("""a\n""".length == 3)
val f = (x: Int, y: Int) => x + y
assert(f(1, 2) == 3)
val total = xs.map { x =>
  val doubled = x * 2
  if (doubled > 4) { "big" } else { "small" }
}
assert(total == Seq("big", "small", "small"))
val made = UniqueIdentifier.tryFromProtoPrimitive("p::1220aa")
assert(ParticipantId(made).toProtoPrimitive == "PAR::p::1220aa" && DomainId(made).uid == made)
assert(MediatorId(DomainId(made)).toProtoPrimitive == "MED::p::1220aa" && made.namespace.fingerprint.unwrap == "1220aa")
assert(KeyPurpose.Signing == KeyPurpose.Signing && KeyPurpose.Signing != KeyPurpose.Encryption)
def check(x):
    return x == "1220aa" and "1220aa" == x and not (x != "1220aa") and x in ["1220aa"] and "1220aa" in [x]
assert(check(made.namespace) && check(made.namespace.fingerprint) && "p::1220aa" == made && made != "q")
assert([x for x in [made.namespace] if x == "1220aa"].size == 1)
println(true, 10.seconds, Some("x"), made)
"#;
    assert_eq!(setup.run(script).unwrap(), "true 10 seconds Some(x) p::1220aa\n");
}

/// Scripts that fail, and what is shown.
#[test]
fn errors_show_line_caret_and_cause() {
    let mut setup = console();
    let mut shown = String::new();
    for script in [
        "val x = 1\nassert(x == 2)",
        "participant1.keys.secret.registr_kms_signing_key(\"a\")",
        "participant1.keys.secret.list(filterNam = \"a\")",
        "participant1.keys.secret.register_kms_signing_key()",
        "participant1.keys.secret.register_kms_signing_key(1)",
        "participant1.keys.secret.list(1, 2, 3, 4)",
        "participant1.topology.init_id(\"a::b\")",
        "participant1.topology.owner_to_key_mappings.authorize(TopologyChangeOp.Add, \"PAR::p::f\", \"f\", TrustLevel.Vip)",
        "participant1.topology.owner_to_key_mappings.authorize(TopologyChangeOp.Add, DomainId(\"p::f\"), \"f\", KeyPurpose.Signing)",
        "val key = nameThatIsNotThere",
        "Seq(1).head.foo",
        "xs = [1]\ny = xs(0)",
        "def f(x):\n    return x.nothing\n\nf(1)",
        "Seq().head",
        "None.get",
        "UniqueIdentifier.tryFromProtoPrimitive(\"x\")",
        "def f(x):\nreturn 1",
        "fail(\"stop here\")",
        "SigningPublicKey.tryReadFromFile(\"/nowhere/at/all\")",
        "x match { case 1 => 2 }",
    ] {
        let error = setup.run(script).unwrap_err();
        shown.push_str(&format!("{script}\n=>\n{error}\n----\n"));
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn a_command_is_no_truth() {
    let mut setup = console();
    let error = setup.run("x = participant1.health.initialized\nif x:\n    print(1)\n").unwrap_err();
    assert!(error.cause.contains("participant1.health.initialized was used as a condition"), "{error}");
    setup.run("if not participant1.health.initialized:\n    nodes.local.start()\nassert(!participant1.health.initialized)").unwrap();
}

#[test]
fn a_hostile_script_ends_in_an_error() {
    let mut setup = console();
    for script in [
        "def f(x):\n    return f(x)\nf(1)",
        "def f():\n    for x in range(1000000000):\n        pass\nf()",
        "for x in range(1000000000):\n    pass",
        "x = \"a\" * 2000000000",
        "x = [1] * 2000000000",
        "x = \"a\"\nx *= 1000000\nx *= 1000000000",
        "x = 2000000000 * \"ab\"",
        "x = \"aaaa\"\nfor i in range(64):\n    x += x",
    ] {
        let error = setup.run(script).unwrap_err();
        assert!(!error.cause.is_empty(), "{script}");
    }
    assert_eq!(setup.run("print(1)").unwrap(), "1\n");
}

#[test]
fn nothing_runs_when_a_later_line_cannot_be_read() {
    let mut setup = console();
    for script in
        ["participant1.keys.secret.list()\nval x = = 1", "participant1.keys.secret.list()\nundefined_name"]
    {
        assert_eq!(setup.run(script).unwrap_err().line, 2);
    }
    assert!(setup.asked().is_empty());
}

#[test]
fn a_script_can_be_cancelled_while_it_waits() {
    let mut setup = console();
    let handle = setup.session.cancel_handle();
    let stopped = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stop = std::sync::Arc::clone(&stopped);
    let canceller = std::thread::spawn(move || {
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            handle.cancel();
            std::thread::yield_now();
        }
    });
    let error = setup.run("participant1.health.wait_for_initialized()").unwrap_err();
    stopped.store(true, std::sync::atomic::Ordering::Relaxed);
    canceller.join().unwrap();
    assert!(error.cause.contains("cancelled"), "{error}");
}
