//! The figures of `cantle kms-server`: signatures a second with request signatures checked, the start, memory, and a
//! million keys in a file.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use cantle_testkit::Process;
use serde_json::{Value, json};

use super::{
    Figures,
    load::{Connection, request},
    median, process,
};

const CONNECTIONS: u32 = 16;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const STARTS: usize = 11;
const KEYS: u32 = 1_000_000;
/// Requests sent with one signature: far fewer than five minutes of them.
const RESIGNED_AFTER: u32 = 2000;

pub(crate) fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    starts(figures, folder.path())?;
    signatures(figures, folder.path())?;
    million(figures, folder.path())
}

/// A server, and how long it took from nothing to its first answer.
fn started(folder: &Path, arguments: &[&str]) -> anyhow::Result<(Process, SocketAddr, Duration)> {
    let began = Instant::now();
    let (server, endpoint) = process::kms_server(folder, arguments)?;
    let address = endpoint.strip_prefix("http://").context("the endpoint is HTTP")?.parse()?;
    Connection::open(address)?.exchange(&request(address, "ListKeys", &json!({"Limit": 1}))?)?;
    Ok((server, address, began.elapsed()))
}

fn starts(figures: &mut Figures, folder: &Path) -> anyhow::Result<()> {
    let (mut first, mut idle) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let (server, _, took) = started(folder, &[])?;
        first.push(took.as_secs_f64() * 1000.0);
        idle.push(process::resident(server.id())?);
        server.terminate(process::LONG)?;
    }
    figures.at_most("start to first answer", median(first), 50.0, "ms");
    figures.at_most("resident memory, idle", median(idle), 20.0, "MB");
    Ok(())
}

fn asked(connection: &mut Connection, request: &[u8]) -> anyhow::Result<Value> {
    Ok(serde_json::from_slice(connection.exchange(request)?)?)
}

fn signatures(figures: &mut Figures, folder: &Path) -> anyhow::Result<()> {
    let (server, address, _) = started(folder, &[])?;
    let mut connection = Connection::open(address)?;
    let create = json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"});
    let made = asked(&mut connection, &request(address, "CreateKey", &create)?)?;
    let key = &made["KeyMetadata"]["KeyId"];
    let given = asked(&mut connection, &request(address, "GetPublicKey", &json!({"KeyId": key}))?)?;
    let public = STANDARD.decode(given["PublicKey"].as_str().context("a public key")?)?;

    let (mut bare, mut all_cores, mut served) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(bare_loops(1)?);
        all_cores.push(bare_loops(thread::available_parallelism()?.get())?);
        served.push(served_signatures(address, key, &public)?);
    }
    server.terminate(process::LONG)?;
    let (bare, all_cores, served) = (median(bare), median(all_cores), median(served));
    figures.at_least("P-256 Sign, 16 keep-alive connections", served, 10_000.0, "/s");
    figures.at_most("  a bare loop of aws-lc-rs over that", bare / served, 3.0, "×");
    figures.only("  a bare loop", bare, "/s");
    figures.only("  a bare loop on each core", all_cores, "/s");
    Ok(())
}

fn rate(count: u32, since: Instant) -> f64 {
    f64::from(count) / since.elapsed().as_secs_f64()
}

/// Signatures a second of aws-lc-rs alone.
fn bare_loops(loops: usize) -> anyhow::Result<f64> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
    let began = Instant::now();
    let signed = thread::scope(|scope| {
        let loops: Vec<_> = (0..loops)
            .map(|_| {
                scope.spawn(|| {
                    let mut signed = 0u32;
                    while began.elapsed() < ROUND {
                        pair.sign(&SystemRandom::new(), b"a message of 34 bytes, as here it is")?;
                        signed += 1;
                    }
                    anyhow::Ok(signed)
                })
            })
            .collect();
        loops
            .into_iter()
            .map(|handle| handle.join().expect("the loop does not panic"))
            .sum::<Result<u32, _>>()
    })?;
    Ok(rate(signed, began))
}

/// Signatures a second of the server; each connection's last one is verified.
fn served_signatures(address: SocketAddr, key: &Value, public: &[u8]) -> anyhow::Result<f64> {
    let began = Instant::now();
    let signed = thread::scope(|scope| {
        let callers: Vec<_> = (0..CONNECTIONS)
            .map(|caller| {
                scope.spawn(move || {
                    let message = format!("connection {caller}");
                    let body = json!({
                        "KeyId": key, "Message": STANDARD.encode(&message), "SigningAlgorithm": "ECDSA_SHA_256",
                    });
                    let request = request(address, "Sign", &body)?;
                    let mut connection = Connection::open(address)?;
                    let (mut signed, mut last) = (0u32, Vec::new());
                    while began.elapsed() < ROUND {
                        last.clear();
                        last.extend_from_slice(connection.exchange(&request)?);
                        signed += 1;
                    }
                    let last: Value = serde_json::from_slice(&last)?;
                    let signature = STANDARD.decode(last["Signature"].as_str().context("a signature")?)?;
                    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public)
                        .verify(message.as_bytes(), &signature)?;
                    anyhow::Ok(signed)
                })
            })
            .collect();
        callers
            .into_iter()
            .map(|handle| handle.join().expect("a caller does not panic"))
            .sum::<Result<u32, _>>()
    })?;
    Ok(rate(signed, began))
}

fn million(figures: &mut Figures, folder: &Path) -> anyhow::Result<()> {
    let state = folder.join("million");
    let arguments = ["--data", state.to_str().context("the folder's name is text")?];
    let (server, address, _) = started(folder, &arguments)?;
    let began = Instant::now();
    let key = fill(address)?;
    figures.only("a million P-256 keys made, durably", rate(KEYS, began), "/s");
    server.kill()?;
    figures.only("  the file", f64::from(u32::try_from(fs::metadata(&state)?.len() >> 10)?) / 1024.0, "MiB");

    let (server, address, took) = started(folder, &arguments)?;
    figures.at_most("  opened: start to first answer", took.as_secs_f64(), 5.0, "s");
    figures.at_most("  resident memory", process::resident(server.id())?, 500.0, "MB");
    let sign = json!({"KeyId": key, "Message": STANDARD.encode("m"), "SigningAlgorithm": "ECDSA_SHA_256"});
    let signed = asked(&mut Connection::open(address)?, &request(address, "Sign", &sign)?)?;
    ensure!(signed["Signature"].is_string(), "a key of the file does not sign");
    server.terminate(process::LONG)?;
    Ok(())
}

/// Makes [`KEYS`] keys; gives back one of them.
fn fill(address: SocketAddr) -> anyhow::Result<Value> {
    let create = json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"});
    let left = AtomicU32::new(KEYS);
    thread::scope(|scope| {
        let makers: Vec<_> = (0..2 * CONNECTIONS)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = Connection::open(address)?;
                    let (mut signed, mut made) = (Vec::new(), 0u32);
                    let mut last = Value::Null;
                    let take = |left: u32| left.checked_sub(1);
                    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
                        if made.is_multiple_of(RESIGNED_AFTER) {
                            signed = request(address, "CreateKey", &create)?;
                            last = asked(&mut connection, &signed)?["KeyMetadata"]["KeyId"].clone();
                        } else {
                            connection.exchange(&signed)?;
                        }
                        made += 1;
                    }
                    anyhow::Ok(last)
                })
            })
            .collect();
        let mut any = Value::Null;
        for maker in makers {
            let last = maker.join().expect("a maker does not panic")?;
            if !last.is_null() {
                any = last;
            }
        }
        Ok(any)
    })
}
