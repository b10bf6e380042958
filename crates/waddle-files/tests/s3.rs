//! The same files in an S3-compatible service.

#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use support::{noise, parts, s3::S3, s3_world};
use waddle_files::Error;

#[tokio::test]
async fn files_go_to_the_bucket_in_parts_and_come_back() {
    let s3 = S3::start().await;
    let w = s3_world(&s3).await;
    // below one part, exactly one, several
    for size in [10, 5 << 20, (11 << 20) + 3] {
        let bytes = noise(size);
        let slot = w.slot("写真.jpg", size as u64).await;
        w.put(&slot, &bytes, 60_000).await.unwrap();
        assert_eq!(w.read(&slot, 0..size as u64).await.unwrap(), bytes);
        assert_eq!(w.read(&slot, 3..9).await.unwrap(), bytes[3..9]);
        let (id, _, _) = parts(&slot.put);
        let key = format!("chat/files/{}/{id}", &id[..2]);
        assert!(s3.external || s3.keys() == [key.clone()], "{:?}", s3.keys());
        assert!(w.files.delete(&id, None).await.unwrap());
        w.files.sweep().await.unwrap();
        assert!(!s3.keys().contains(&key));
        assert!(matches!(w.read(&slot, 0..1).await, Err(Error::NotFound)));
    }
}

#[tokio::test]
async fn a_broken_upload_leaves_no_parts() {
    let s3 = S3::start().await;
    let w = s3_world(&s3).await;
    let slot = w.slot("a.bin", 12 << 20).await;
    let (id, name, token) = parts(&slot.put);
    let mut upload = w.files.put(&id, &name, &token, 12 << 20, None).await.unwrap();
    upload.write(noise(6 << 20).into()).await.unwrap();
    assert!(s3.external || s3.keys().len() == 1);
    assert!(matches!(upload.finish().await, Err(Error::Cut(_))));
    for _ in 0..2_000 {
        if s3.keys().is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(s3.keys().is_empty(), "{:?}", s3.keys());
    // nothing there to remove is no error
    assert!(w.files.delete(&id, None).await.unwrap());
    w.files.sweep().await.unwrap();
}
