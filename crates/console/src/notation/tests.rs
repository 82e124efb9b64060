//! The front end: golden outputs, places of errors, and that no text makes it panic.

use proptest::prelude::*;

use super::{NotationError, Vocabulary, is_incomplete, translate};

const METHODS: &[&str] = &[
    "map",
    "filter",
    "foreach",
    "head",
    "headOption",
    "exists",
    "find",
    "getOrElse",
    "get",
    "size",
    "seconds",
    "unwrap",
];
const COMMANDS: &[&str] = &["list", "initialized", "wait_for_initialized"];

fn vocabulary() -> Vocabulary {
    Vocabulary {
        is_method: |name| METHODS.contains(&name),
        is_command: |name| COMMANDS.contains(&name),
        is_global: |name| matches!(name, "print" | "println" | "assert" | "len"),
    }
}

fn known(name: &str) -> bool {
    matches!(name, "participant" | "print" | "println" | "len")
}

/// Starlark's parser recurses; the session gives it a thread with a large stack, and so does this.
fn with_stack<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(256 << 20).spawn(run).unwrap().join().unwrap()
}

fn written(source: &str) -> String {
    let source = source.to_owned();
    with_stack(move || match translate(&source, vocabulary(), &known) {
        Ok(written) => written.text().to_owned(),
        Err(error) => shown(&source, &error),
    })
}

fn shown(source: &str, error: &NotationError) -> String {
    let span = error.span();
    let start = source[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let line = source[..span.start].matches('\n').count() + 1;
    let text = source[start..].lines().next().unwrap_or_default();
    let caret = " ".repeat(source[start..span.start].chars().count());
    let marks = "^"
        .repeat(source[span.start..span.end.min(start + text.len()).max(span.start)].chars().count().max(1));
    format!("line {line}: {error}\n{text}\n{caret}{marks}\n")
}

/// Each case and what becomes of it, as one document.
fn golden(cases: &[&str]) -> String {
    cases.iter().map(|case| format!("{case}\n=>\n{}\n----\n", written(case))).collect()
}

#[test]
fn the_manuals_lines_become_starlark() {
    insta::assert_snapshot!(golden(&[
        "participant.keys.secret\n  .register_kms_signing_key(namespaceKmsKeyId, name = participant.name + \"-namespace\") ->\n  participant.keys.secret\n    .register_kms_signing_key(signingKmsKeyId, name = participant.name + \"-signing\") ->\n  participant.keys.secret\n    .register_kms_encryption_key(encryptionKmsKeyId, name = participant.name + \"-encryption\")\nval identityKey = participant.keys.secret.generate_signing_key(name = participant.name + \"-namespace\")\n",
        "val (a, b) = (1, 2)\nval x: Fingerprint = key.fingerprint // the fingerprint\nval y = a -> b -> x",
        "participant.topology.owner_to_key_mappings.authorize(\n  TopologyChangeOp.Add, // add it\n  participant.id,\n  /* the key */ key.fingerprint,\n  KeyPurpose.Signing,\n)",
        "val s = s\"a ${participant.name} $x $$ \\n\"\nval raw = \"\"\"C:\\n\"\"\"",
        "Seq(1, 2).map(_ + 1)\nxs.filter(_.name == \"a\").foreach(x => println(x))\nxs.foreach(println)",
        "val k = participant.keys.secret.list().find(_.name.exists(_.unwrap == \"n\")).get",
        "import com.digitalasset.canton.topology._\nval t = new DomainId(uid); val u = true && !false || x != null",
        "val ok = participant.health.initialized\nparticipant.health.wait_for_initialized\nassert(participant.health.initialized)",
        "val m = if (a == 1) \"one\" else { \"other\" }\nif (m == \"one\") {\n  println(m)\n} else {\n  val z = m\n  println(z)\n}",
        "nodes.all.foreach { node =>\n  val id = node.id\n  println(s\"$id\")\n}",
        "xs.map { case (a, b) => a + b }",
        "f(Seq[String](\"a\"): _*)\nval d = Map(\"a\" -> 1, \"b\" -> 2)\nval w = 10.seconds",
    ]));
}

#[test]
fn lines_continue_as_scala_lets_them() {
    insta::assert_snapshot!(golden(&[
        "participant.keys.secret.\n  list()",
        "val x =\n  participant.name",
        "val y = if (a == 1) 2\nelse 3",
        "val k = participant.keys\n  // the secret ones\n  .secret\n\n  /* all */\n  .list()",
        "Seq(\n  1,\n  2\n).foreach {\n  key =>\n    println(key)\n}",
        "val z = participant.name +\n  \"a\" + // one\n  \"b\"",
        "if (a == 1) println(1)\nelse if (a == 2) println(2)\nelse println(3)",
        "val Seq(a, b) = xs",
        "val from = 1; println(from)",
        "val d = Map(\r\n  1 -> 2,\r\n)\r\nx = [\r\n  1,\r\n]\r\n",
        "\u{feff}val x = 1",
        "participant\n  .keys\n  .secret\n  .list()(0)",
        "val f = (a: Int) => { val b = a; b + 1 }",
        "val t = (1, \"a\")._2",
        "x *= 2\nx += 1",
        "participants.all.foreach(_.health.wait_for_initialized())",
        "val s = s\"\"\"a \"${x}\" $y\"\"\"",
        "foo(a = 1, b = c => c.d)",
        "return 1",
        "def f():\n    return xs.map(_ + 1)",
    ]));
}

#[test]
fn starlark_is_left_as_it_is() {
    let source = "def f(a, b = 2):\n    for x in [1, 2]:\n        if x == a:\n            return x // 2\n        elif x > 3:\n            pass\n        else:\n            continue\n    return {\"k\": [y for y in b if y], \"z\": lambda v: v}\nr = f(1)\nprint(f\"{r}\", r[1:2], -r, not r)\n";
    assert_eq!(written(source), source);
}

#[test]
fn both_languages_mix_line_by_line() {
    insta::assert_snapshot!(golden(&[
        "for p in participants.all.filter(_.name != \"x\"):\n    val k = p.keys.secret.list\n    println(k.head)\n\nprint(1)",
        "def f(xs):\n    return xs.map(x => x + 1)\nf([1])",
        "if participant.health.initialized:\n    print(\"yes\")",
        "    val a = 1\n    val b = a\n    if a == b:\n        print(a)\n    print(b)",
        "xs = [1]\nprint(xs.head, len(xs.map(lambda x: x + 1)))",
    ]));
}

#[test]
fn two_slashes_divide_only_known_names() {
    insta::assert_snapshot!(golden(&[
        "a = 7\nb = 2\nc = a // b",
        "c = (a // len(b)\n  + 1)\nb = 1\na = 2",
        "participant.keys.secret.list() // check",
        "participant.keys.secret.list() // don't (worry",
        "val c = 7 // 2",
    ]));
}

#[test]
fn foreign_scala_is_refused_with_what_to_write() {
    insta::assert_snapshot!(golden(&[
        "var x = 1",
        "val a = 1\ndef f(x: Int) = x",
        "x match {\n  case 1 => 2\n}",
        "case class A(x: Int)",
        "for (x <- xs) println(x)",
        "while (true) { }",
        "xs map f",
        "val x = 1 :: Nil",
        "val y = if (a) b",
        "x = (1 + ",
        "val s = \"abc",
        "foo(1, 2",
        "a == b | c -> d",
        "throw new Exception(\"a\")",
        "import foo.bar",
        "def f(x):\nprint(1)",
        "xs.foreach { x => total = total + x; 1 }",
        "val v = 1\nif (v == 1) {\n  val v = 2\n}",
        "x = = 2",
        "try { a } catch { b }",
        "s\"${\"",
        "val é = 1",
    ]));
}

#[test]
fn deep_text_is_an_error_not_an_overflow() {
    for source in [
        "(".repeat(100_000),
        "[".repeat(5_000) + &"]".repeat(5_000),
        format!("x = {}1", "1 + ".repeat(50_000)),
        format!("x = {}1", "not ".repeat(50_000)),
        format!("val x = {}1", "!".repeat(50_000)),
        format!("val x = a{}", ".b".repeat(50_000)),
        format!("val x = {}1", "x => ".repeat(5_000)),
        "{".repeat(3_000),
        (0..500).map(|depth| format!("{}if True:\n", " ".repeat(depth))).collect(),
        format!("val x = {}1", "if (a) b else ".repeat(5_000)),
        "s\"${".repeat(2_000),
        format!("val x = {}", "f(".repeat(2_000)),
    ] {
        let answer = written(&source);
        assert!(answer.starts_with("line "), "{}", &answer[..answer.len().min(200)]);
    }
}

#[test]
fn unfinished_input_is_known() {
    for source in [
        "f(",
        "val x =",
        "a ->",
        "participant.",
        "def f():",
        "for x in y:\n    print(x)",
        "x = \"\"\"a",
        "xs.map { x =>",
    ] {
        assert!(is_incomplete(source), "{source}");
    }
    for source in ["f()", "val x = 1", "def f():\n    pass\n\n", "\"a", ")", ""] {
        assert!(!is_incomplete(source), "{source}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_makes_it_panic(source in "\\PC{0,80}") {
        let _ = written(&source);
        prop_assert!(source.len() <= 80 * 4);
    }

    #[test]
    fn no_tokens_make_it_panic(
        tokens in prop::collection::vec(
            prop::sample::select(vec![
                "val", "x", "(", ")", "[", "]", "{", "}", "=>", "->", ".", ",", "=", "_", "\n", "\n  ", "if", "else", "s\"", "${",
                "\"", "\"\"\"", "case", "for", "in", ":", "def", "lambda", "+", "//", "/*", "*/", "'", "\\", "é", "1", "1.5e", "not",
                "return", ";", "match", "*", "**", "import", "com", "#",
            ]),
            0..40,
        ),
        spaced in any::<bool>(),
    ) {
        let source = tokens.join(if spaced { " " } else { "" });
        let first = written(&source);
        prop_assert_eq!(first, written(&source));
    }
}
