//! Requests made from descriptors: fields of the right type with values of any kind, and worse. The same for the same
//! seed.

use std::collections::HashMap;

use prost_types::{
    DescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};

/// Numbers that are the same each time (splitmix64).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Another sequence for each seed and round.
    #[must_use]
    pub fn new(seed: &str, round: u64) -> Self {
        let start = round.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self(seed.bytes().fold(start, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
    }

    /// Any number.
    #[must_use]
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below the bound, which is not 0.
    #[must_use]
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.number() % u64::try_from(bound.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    /// Up to so many bytes of any value.
    #[must_use]
    pub fn bytes(&mut self, longest: usize) -> Vec<u8> {
        let length = self.below(longest + 1);
        (0..length).map(|_| self.number().to_le_bytes()[0]).collect()
    }
}

/// Every message by its full name.
#[derive(Debug)]
pub struct Schema(HashMap<String, DescriptorProto>);

/// Deeper messages are left empty.
const DEEPEST: usize = 8;

const TEXTS: &[&str] = &[
    "",
    "p",
    "0",
    "7",
    "5.0.0",
    "Authorized",
    "mydomain",
    "participant1",
    "p::1220aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "PAR::p::1220aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "MED::m::1220aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "SEQ::s::1220aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "1220aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "1220",
    "::",
    "PAR::",
    "alias/x",
    "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "http://127.0.0.1:1",
    "https://[::1]:0",
    "\u{2603}\u{0}\u{10ffff}",
    "%00%ff\r\n",
    "'; DROP TABLE x; --",
];

impl Schema {
    /// The messages of these descriptors.
    #[must_use]
    pub fn new(descriptors: &FileDescriptorSet) -> Self {
        let mut messages = HashMap::new();
        for file in &descriptors.file {
            for message in &file.message_type {
                collect(&format!(".{}", file.package()), message, &mut messages);
            }
        }
        Self(messages)
    }

    /// A request of this type, or what is none.
    #[must_use]
    pub fn request(&self, message: &str, random: &mut Random) -> Vec<u8> {
        let mut bytes = match random.below(8) {
            0 => return random.bytes(200),
            1 => return Vec::new(),
            _ => self.message(message, random, 0),
        };
        if random.below(3) == 0 {
            for _ in 0..=random.below(3) {
                if bytes.is_empty() {
                    break;
                }
                let at = random.below(bytes.len());
                match random.below(3) {
                    0 => bytes[at] = random.number().to_le_bytes()[0],
                    1 => bytes.truncate(at),
                    _ => {
                        let more = random.bytes(8);
                        bytes.splice(at..at, more);
                    }
                }
            }
        }
        bytes
    }

    fn message(&self, name: &str, random: &mut Random, depth: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let Some(message) = self.0.get(name) else { return bytes };
        for field in &message.field {
            if depth >= DEEPEST || random.below(8) == 0 {
                continue;
            }
            let repeated = field.label() == Label::Repeated;
            let times = if repeated { random.below(4) } else { 1 };
            let number = u64::try_from(field.number()).unwrap_or(1);
            for _ in 0..times {
                self.value(field.r#type(), field.type_name(), number, random, depth, &mut bytes);
            }
        }
        bytes
    }

    fn value(
        &self,
        kind: Type,
        type_name: &str,
        number: u64,
        random: &mut Random,
        depth: usize,
        bytes: &mut Vec<u8>,
    ) {
        match kind {
            Type::Message | Type::Group => {
                let inner = self.message(type_name, random, depth + 1);
                delimited(number, &inner, bytes);
            }
            Type::String => {
                let text = match random.below(12) {
                    0 => "x".repeat(random.below(5_000)),
                    1 => String::from_utf8_lossy(&random.bytes(24)).into_owned(),
                    _ => TEXTS[random.below(TEXTS.len())].to_owned(),
                };
                delimited(number, text.as_bytes(), bytes);
            }
            Type::Bytes => {
                let inner = match random.below(3) {
                    0 => random.bytes(64),
                    // The versioned wrapper around something.
                    1 => {
                        let mut wrapped = Vec::new();
                        delimited(1, &random.bytes(48), &mut wrapped);
                        wrapped.extend([0x10, 1]);
                        wrapped
                    }
                    _ => Vec::new(),
                };
                delimited(number, &inner, bytes);
            }
            Type::Double | Type::Fixed64 | Type::Sfixed64 => {
                varint((number << 3) | 1, bytes);
                bytes.extend(random.number().to_le_bytes());
            }
            Type::Float | Type::Fixed32 | Type::Sfixed32 => {
                varint(number << 3 | 5, bytes);
                bytes.extend(&random.number().to_le_bytes()[..4]);
            }
            _ => {
                varint(number << 3, bytes);
                let value = match random.below(6) {
                    0 => random.number(),
                    1 => u64::MAX,
                    2 => i64::MAX.unsigned_abs(),
                    3 => u64::from(u32::MAX),
                    _ => random.number() % 8,
                };
                varint(value, bytes);
            }
        }
    }
}

fn collect(scope: &str, message: &DescriptorProto, messages: &mut HashMap<String, DescriptorProto>) {
    let name = format!("{scope}.{}", message.name());
    for nested in &message.nested_type {
        collect(&name, nested, messages);
    }
    messages.insert(name, message.clone());
}

fn delimited(number: u64, inner: &[u8], bytes: &mut Vec<u8>) {
    varint(number << 3 | 2, bytes);
    varint(inner.len() as u64, bytes);
    bytes.extend(inner);
}

fn varint(mut value: u64, bytes: &mut Vec<u8>) {
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}
