use futures_util::StreamExt as _;

use super::*;

const ANY: Chunk = Chunk { start: None, length: None };

async fn begun(content: &Content, pieces: &[&str]) -> Uuid {
    let id = Uuid::from_u128(7);
    content.begin(id, Algorithm::Sha256).await.unwrap();
    for piece in pieces {
        content.append(id, ANY, Body::from((*piece).to_owned())).await.unwrap();
    }
    id
}

/// The digest that an upload turns out to have.
async fn actual(content: &Content, id: Uuid, algorithm: Algorithm) -> Digest {
    let wrong = Digest::by(algorithm, b"something else");
    match content.verify(id, &wrong).await {
        Err(FinishError::Digest(digest)) => digest,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it cannot have that digest"),
    }
}

/// That it is not read again shows in a file that was changed behind the registry's back; that it is read again after a
/// restart, and for another algorithm, in the same.
#[tokio::test]
async fn an_upload_is_hashed_as_it_comes_and_read_again_where_that_is_not_known() {
    let folder = tempfile::tempdir().unwrap();
    let content = Content::open(folder.path()).unwrap();
    let id = begun(&content, &["first ", "second"]).await;
    fs_err::write(content.upload(id), "FIRST SECOND").unwrap();
    assert_eq!(actual(&content, id, Algorithm::Sha256).await, Digest::of(b"first second"));
    let sha512 = Digest::by(Algorithm::Sha512, b"FIRST SECOND");
    assert_eq!(actual(&content, id, Algorithm::Sha512).await, sha512);

    let restarted = Content::open(folder.path()).unwrap();
    assert_eq!(actual(&restarted, id, Algorithm::Sha256).await, Digest::of(b"FIRST SECOND"));
    restarted.append(id, ANY, Body::from(" third")).await.unwrap();
    assert_eq!(actual(&restarted, id, Algorithm::Sha256).await, Digest::of(b"FIRST SECOND third"));
}

#[tokio::test]
async fn what_is_taken_back_or_cut_off_is_hashed_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let content = Content::open(folder.path()).unwrap();
    let id = begun(&content, &["first "]).await;
    let lie = Chunk { start: Some(6), length: Some(100) };
    let lied = content.append(id, lie, Body::from("taken back")).await;
    assert!(matches!(lied, Err(AppendError::Length { got: 10, announced: 100 })), "{lied:?}");
    assert_eq!(actual(&content, id, Algorithm::Sha256).await, Digest::of(b"first "));

    let cut = [Ok("second"), Err(io::Error::other("gone"))];
    let cut = content.append(id, ANY, Body::from_stream(futures_util::stream::iter(cut))).await;
    assert!(matches!(cut, Err(AppendError::Body(_))), "{cut:?}");
    content.append(id, ANY, Body::from(" third")).await.unwrap();
    fs_err::write(content.upload(id), "FIRST SECOND THIRD").unwrap();
    assert_eq!(actual(&content, id, Algorithm::Sha256).await, Digest::of(b"first second third"));
}

#[tokio::test]
async fn no_hash_outlives_its_upload() {
    let folder = tempfile::tempdir().unwrap();
    let content = Content::open(folder.path()).unwrap();
    let id = begun(&content, &["all"]).await;
    let whole = content.verify(id, &Digest::of(b"all")).await.unwrap();
    content.place(&whole).await.unwrap();
    assert_eq!(content.hashed.digest(id, 3, Algorithm::Sha256), None);
    drop(whole);
    let id = begun(&content, &["more"]).await;
    content.cancel(id).await.unwrap();
    assert_eq!(content.hashed.digest(id, 4, Algorithm::Sha256), None);
}

#[tokio::test]
async fn an_upload_whose_client_went_away_in_the_middle_goes_on_where_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let content = Content::open(folder.path()).unwrap();
    let id = begun(&content, &["first"]).await;
    let pieces = futures_util::stream::iter((0..8).map(|_| Ok::<_, io::Error>(vec![b'x'; 1 << 17])));
    let halts = pieces.chain(futures_util::stream::pending());
    let going = content.clone();
    let client = tokio::spawn(async move { going.append(id, ANY, Body::from_stream(halts)).await });
    // Bytes are on their way into the file, and more than what was written may have come.
    while content.received(id).await.unwrap() <= Some(5) {
        tokio::task::yield_now().await;
    }
    assert!(matches!(content.append(id, ANY, Body::from("late")).await, Err(AppendError::Busy)), "control");
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    let size = loop {
        match content.append(id, ANY, Body::from("end")).await {
            Err(AppendError::Busy) => tokio::task::yield_now().await,
            other => break other.unwrap(),
        }
    };
    let written = fs_err::read(content.upload(id)).unwrap();
    assert_eq!(written.len() as u64, size, "nobody writes any more");
    assert!(written.starts_with(b"firstxxx") && written.ends_with(b"xend"));
    content.verify(id, &Digest::of(&written)).await.map(drop).unwrap();
}
