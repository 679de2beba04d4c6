use aws_lc_rs::cipher::{DecryptionContext, PaddedBlockDecryptingKey};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::KeyPair as _;
use service_kit::SeededEntropy;

use super::*;

fn key_pair() -> (KeyPair, PublicKey) {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = pair.public_key();
    let wire = WireKey {
        modulus: STANDARD.encode(public.modulus().big_endian_without_leading_zero()),
        exponent: STANDARD.encode(public.exponent().big_endian_without_leading_zero()),
    };
    (pair, wire.try_into().unwrap())
}

#[test]
fn only_the_agent_unwraps_the_session_key_and_it_opens_the_body() {
    let (pair, public) = key_pair();
    let entropy = SeededEntropy::new(1);
    let session = SessionKey::generate(&entropy);
    let wrapped = STANDARD.decode(public.wrap(&session).unwrap()).unwrap();

    let open = |pair: &KeyPair| {
        let der = pair.as_der().unwrap();
        let private =
            OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(der.as_ref()).unwrap()).unwrap();
        let mut out = vec![0; private.min_output_size()];
        private.decrypt(&OAEP_SHA1_MGF1SHA1, &wrapped, &mut out, None).map(|key| key.to_vec())
    };
    let key = open(&pair).unwrap();
    assert_eq!(key.len(), 32);
    assert!(open(&key_pair().0).is_err(), "control: another key unwraps nothing");

    let sealed = session.encrypt("{\"jobId\":1}", &entropy);
    let again = session.encrypt("{\"jobId\":1}", &entropy);
    assert_ne!(sealed.iv, again.iv, "each delivery has its own IV");
    let iv: [u8; 16] = STANDARD.decode(&sealed.iv).unwrap().try_into().unwrap();
    let mut body = STANDARD.decode(&sealed.body).unwrap();
    let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, &key).unwrap()).unwrap();
    let plain = cipher.decrypt(&mut body, DecryptionContext::Iv128(FixedLength::from(&iv))).unwrap();
    assert_eq!(plain, b"{\"jobId\":1}");
}

#[test]
fn keys_that_are_none_are_refused_by_name() {
    let check = |modulus: &[u8], exponent: &[u8]| {
        PublicKey::try_from(WireKey {
            modulus: STANDARD.encode(modulus),
            exponent: STANDARD.encode(exponent),
        })
        .unwrap_err()
    };
    assert_eq!(check(&[0xff; 128], &[1, 0, 1]), KeyError::Size(1024));
    assert_eq!(check(&[0xff; 256], &[2]), KeyError::Exponent);
    assert_eq!(check(&[0xff; 256], &[]), KeyError::Exponent);
    let not_base64 = WireKey { modulus: "!".into(), exponent: "AQAB".into() };
    assert_eq!(PublicKey::try_from(not_base64).unwrap_err(), KeyError::NotBase64("modulus"));
}

#[test]
fn a_debug_print_shows_no_key() {
    assert_eq!(format!("{:?}", SessionKey::generate(&SeededEntropy::new(3))), "SessionKey");
}
