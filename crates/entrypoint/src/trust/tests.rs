use super::*;
use crate::variables::Variables;

const FILE: &str = if cfg!(windows) { r"C:\run\ca.pem" } else { "/run/ca.pem" };
const ASCENDING: &str = if cfg!(windows) { r"C:\run\..\ca.pem" } else { "/run/../ca.pem" };

#[cfg(unix)]
fn authority() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&key).unwrap().pem()
}

fn source(pairs: &[(&str, &str)]) -> Result<Option<(Variable, Source)>, Vec<Problem>> {
    let variables = Variables::new(pairs.iter().map(|(name, value)| (name.into(), value.into())));
    let mut reader = Reader { variables: &variables, problems: Vec::new() };
    let found = read(&mut reader);
    if reader.problems.is_empty() { Ok(found) } else { Err(reader.problems) }
}

#[test]
fn one_of_two_variables_names_them() {
    let named =
        |pairs: &[(&str, &str)]| source(pairs).unwrap().map(|(variable, source)| (variable.name, source));
    assert_eq!(named(&[]), None);
    assert_eq!(named(&[("AZDO_CA_FILE", FILE)]), Some(("AZDO_CA_FILE", Source::File(FILE.into()))));
    assert_eq!(
        named(&[("AZDO_CA_CERTIFICATE", "text")]),
        Some(("AZDO_CA_CERTIFICATE", Source::Text("text".into())))
    );
    for wrong in [
        vec![("AZDO_CA_FILE", FILE), ("AZDO_CA_CERTIFICATE", "text")],
        vec![("AZDO_CA_FILE", "ca.pem")],
        vec![("AZDO_CA_FILE", ASCENDING)],
        vec![("AZDO_CA_CERTIFICATE", "")],
    ] {
        assert_eq!(source(&wrong).unwrap_err().len(), 1, "{wrong:?}");
    }
}

#[cfg(unix)]
#[test]
fn only_certificates_that_a_client_can_use_are_taken() {
    let load = |text: &str| {
        let source = Source::Text(text.to_owned());
        Authorities::load((variables::CA_CERTIFICATE, source)).map_err(|problem| problem.text)
    };
    let two = format!("{}{}", authority(), authority());
    assert_eq!(load(&two).unwrap().certificates().len(), 2);
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, says) in [
        (format!("{}{key}", authority()), "holds a private key"),
        ("no certificate".to_owned(), "no certificate in PEM form"),
        (garbage.to_owned(), "cannot be read"),
        ("x".repeat(LIMIT + 1), "is longer than"),
    ] {
        let problem = load(&text).unwrap_err();
        assert!(problem.contains(says), "{says}: {problem}");
        assert!(!problem.contains("BEGIN"), "no value is repeated: {problem}");
    }
    let absent = Source::File("/nowhere/ca.pem".into());
    let problem = Authorities::load((variables::CA_FILE, absent)).unwrap_err();
    assert_eq!(problem.to_string(), "AZDO_CA_FILE: cannot be read: entity not found");
}

#[test]
fn distrust_is_told_from_a_wrong_clock_and_from_no_answer() {
    let of = |reason: &str| distrust(&format!("client error (Connect): invalid peer certificate: {reason}"));
    for reason in ["UnknownIssuer", "BadSignature", "certificate not valid for name \"10.0.0.1\""] {
        assert_eq!(of(reason), Some(format!("invalid certificate: {reason}")));
    }
    for reason in
        ["certificate expired: verification time 1", "certificate not valid yet: verification time 1"]
    {
        assert_eq!(of(reason), None, "time may cure it");
    }
    assert_eq!(distrust("connection refused"), None);
}
