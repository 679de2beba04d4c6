//! As much DER as an RSA private key needs (RFC 8017, appendix A.1.2; RFC 5208).

/// `rsaEncryption` with a NULL parameter.
const RSA_ALGORITHM: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// The nine integers of an `RSAPrivateKey` are: version, n, e, d, p, q, dp, dq, qInv.
const INTEGERS: usize = 9;

/// Takes the eight numbers (without version) out of a PKCS#8 document.
pub(crate) fn numbers_of_pkcs8(document: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (body, _) = element(document, 0x30)?;
    let (_, rest) = element(body, 0x02)?;
    let (_, rest) = element(rest, 0x30)?;
    let (key, _) = element(rest, 0x04)?;
    let (mut integers, _) = element(key, 0x30)?;
    let mut numbers = Vec::new();
    for _ in 0..INTEGERS {
        let (number, rest) = element(integers, 0x02)?;
        let significant = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
        numbers.push(number[significant..].to_vec());
        integers = rest;
    }
    numbers.remove(0);
    Some(numbers)
}

/// Builds a PKCS#8 document from the eight numbers.
pub(crate) fn pkcs8_of_numbers(numbers: &[&[u8]]) -> Vec<u8> {
    let mut integers = tagged(0x02, &[0]);
    for number in numbers {
        let mut content = number.to_vec();
        if content.first().is_none_or(|byte| byte & 0x80 != 0) {
            content.insert(0, 0);
        }
        integers.extend(tagged(0x02, &content));
    }
    let mut body = tagged(0x02, &[0]);
    body.extend_from_slice(RSA_ALGORITHM);
    body.extend(tagged(0x04, &tagged(0x30, &integers)));
    tagged(0x30, &body)
}

fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    if found != tag {
        return None;
    }
    let (length, rest) = if first & 0x80 == 0 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        if count > 4 || rest.len() < count {
            return None;
        }
        let length = rest[..count].iter().fold(0usize, |length, byte| length << 8 | usize::from(*byte));
        (length, &rest[count..])
    };
    (rest.len() >= length).then(|| rest.split_at(length))
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        length @ 0..=0x7f => out.push(length as u8),
        length => {
            let bytes: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            out.push(0x80 | bytes.len() as u8);
            out.extend(bytes);
        }
    }
    out.extend_from_slice(content);
    out
}
