use proptest::prelude::*;

use super::*;

fn whole(redactor: &mut Redactor, pieces: &[&[u8]]) -> Vec<u8> {
    let mut shown: Vec<u8> = pieces.iter().flat_map(|piece| redactor.push(piece)).collect();
    shown.extend(redactor.finish());
    shown
}

fn check(pieces: &[&str], shown: &str) {
    let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
    let found = whole(&mut Redactor::new("t0k/en"), &pieces);
    assert_eq!(String::from_utf8(found).unwrap(), shown);
}

#[test]
fn every_form_is_masked() {
    check(&["a t0k/en b\n"], "a *** b\n");
    check(&["t0k/ent0k/en\nx"], "******\nx\n");
    check(&["Basic VnN0c0FnZW50OnQway9lbg== and OnQway9lbg== and dDBrL2Vu\n"], "Basic *** and *** and ***\n");
    check(&["?token=t0k%2Fen\n"], "?token=***\n");
}

#[test]
fn a_token_split_between_reads_is_masked() {
    check(&["a t0", "k/", "en b\nnext"], "a *** b\nnext\n");
}

#[test]
fn lines_pass_at_once_and_the_rest_waits() {
    let mut redactor = Redactor::transparent();
    assert_eq!(redactor.push(b"one\ntw"), b"one\n");
    assert_eq!(redactor.push(b"o\n"), b"two\n");
    assert_eq!(redactor.finish(), b"");
}

proptest! {
    /// Neither the places where the stream is cut nor the length of a line change what is shown, and the token never is.
    #[test]
    fn cutting_changes_nothing(parts in proptest::collection::vec("[ab\n]{0,9}|SECRETXY", 0..24), cuts in proptest::collection::vec(1_usize..9, 0..40), longest in 1_usize..80) {
        let text = parts.concat();
        let expected = whole(&mut Redactor::new("SECRETXY"), &[text.as_bytes()]);
        let mut redactor = Redactor { longest_line: longest, ..Redactor::new("SECRETXY") };
        let mut rest = text.as_bytes();
        let mut shown = Vec::new();
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            shown.extend(redactor.push(piece));
            rest = after;
        }
        shown.extend(redactor.push(rest));
        shown.extend(redactor.finish());
        let shown = String::from_utf8(shown).unwrap();
        prop_assert!(!shown.contains("SECRETXY"));
        prop_assert_eq!(shown, String::from_utf8(expected).unwrap());
    }
}
