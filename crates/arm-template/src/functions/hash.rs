//! Names made from other names: `uniqueString` and `guid`.

use super::{Arguments, Function, MANY, Outcome};
use uuid::Uuid;

pub(super) static FUNCTIONS: &[Function] =
    &[Function::plain("guid", 1, MANY, guid), Function::plain("uniqueString", 1, MANY, unique_string)];

/// Namespace of `guid`, as in Azure/azure-policy-linter: ExpressionBuiltInFunctions.
const NAMESPACE: Uuid = Uuid::from_u128(0x11fb_06fb_712d_4ddd_98c7_e71b_bd58_8830);

fn guid(mut arguments: Arguments) -> Outcome {
    let joined = arguments.strings(0)?.join("-");
    Ok(Uuid::new_v5(&NAMESPACE, joined.as_bytes()).to_string().into())
}

fn unique_string(mut arguments: Arguments) -> Outcome {
    let joined = arguments.strings(0)?.join("-");
    let mut bits = murmur(joined.as_bytes());
    let mut text = String::with_capacity(13);
    for _ in 0..13 {
        text.push(char::from(b"abcdefghijklmnopqrstuvwxyz234567"[(bits >> 59) as usize]));
        bits <<= 5;
    }
    Ok(text.into())
}

/// A two-lane relative of MurmurHash3 with 64 bits of result, as in Azure/azure-policy-linter.
fn murmur(bytes: &[u8]) -> u64 {
    const C1: u32 = 0xab0e_9789;
    const C2: u32 = 0x239b_961b;
    let first = |k: u32| k.wrapping_mul(C2).rotate_left(15).wrapping_mul(C1);
    let second = |k: u32| k.wrapping_mul(C1).rotate_left(17).wrapping_mul(C2);
    let (mut h1, mut h2) = (0_u32, 0_u32);
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let (k1, k2) = (little_endian(&chunk[..4]), little_endian(&chunk[4..]));
        h1 = (h1 ^ first(k1)).rotate_left(19).wrapping_add(h2);
        h1 = h1.wrapping_mul(5).wrapping_add(0x561c_cd1b);
        h2 = (h2 ^ second(k2)).rotate_left(13).wrapping_add(h1);
        h2 = h2.wrapping_mul(5).wrapping_add(0x0bca_a747);
    }
    let tail = chunks.remainder();
    if !tail.is_empty() {
        h1 ^= first(little_endian(&tail[..tail.len().min(4)]));
    }
    if tail.len() > 4 {
        h2 ^= second(little_endian(&tail[4..]));
    }
    let length = bytes.len() as u32;
    h2 ^= length;
    h1 = (h1 ^ length).wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    h1 = mix(h1);
    h2 = mix(h2);
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    (u64::from(h2) << 32) | u64::from(h1)
}

fn little_endian(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, byte| (value << 8) | u32::from(*byte))
}

fn mix(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
    x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}
