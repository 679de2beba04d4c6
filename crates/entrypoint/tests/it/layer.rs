//! A file system in which something already ran is refused.

use std::os::unix::fs::PermissionsExt as _;

use fs_err as fs;

use crate::image::Image;

#[tokio::test]
async fn the_second_start_in_a_layer_runs_nothing() {
    let image = Image::new().await;
    image.run().await.expect_code(0);
    fs::remove_file(image.probe("run.env")).unwrap();
    fs::remove_file(image.root().join("azp/agent/.agent")).unwrap();
    let asked = image.server.received_requests().await.unwrap().len();
    image.run().await.expect_code(73).says("this writable layer was already used");
    assert!(!image.probe("run.env").exists());
    assert_eq!(image.server.received_requests().await.unwrap().len(), asked);
    let mode = fs::metadata(image.root().join("var/lib/mayfly")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn of_two_starts_at_once_one_is_refused() {
    let image = Image::new().await;
    let (one, two) = tokio::join!(image.run(), image.run());
    let mut codes = [one.code, two.code];
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(73)]);
}

#[tokio::test]
async fn a_configured_agent_folder_is_refused() {
    for file in [".agent", ".credentials"] {
        let image = Image::new().await;
        fs::write(image.root().join("azp/agent").join(file), "{}").unwrap();
        image.run().await.expect_code(73).says("an agent was configured here before");
    }
}
