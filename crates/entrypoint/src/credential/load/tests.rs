use super::*;

#[test]
fn what_a_pipe_holds_is_a_token_or_an_error_that_says_what_to_do() {
    let long = vec![b'x'; 65 * 1024];
    for (bytes, expected) in [
        (&b"token"[..], Ok("token")),
        (b"token\r\n", Ok("token")),
        (b"", Err("the pipe ended without a token")),
        (b"\n", Err("container that is restarted")),
        (b"two tokens", Err("holds a blank")),
        (b"\xff", Err("not valid UTF-8")),
        (&long, Err("more than 64 KiB")),
    ] {
        match (text_of_pipe(bytes), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.expose_secret(), expected),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            (found, expected) => panic!("{found:?} in place of {expected:?}"),
        }
    }
}
