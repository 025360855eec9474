//! Wrong bytes are refused on the way in and on the way out.

use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use slipway::blob::{BlobKey, Spool};

use super::{Fixture, MIB, content, on_both_stores};

on_both_stores!(
    a_flipped_byte_is_found_on_read,
    a_truncated_or_longer_object_is_found_on_read,
    an_object_of_another_size_is_not_taken_for_ours,
    a_file_that_changes_before_it_is_sent_is_refused,
    a_file_that_grows_while_it_is_sent_is_refused,
    a_put_that_is_dropped_leaves_nothing_visible,
);

/// Reads the object in every way that checks it and returns the codes; no way may yield all its bytes.
async fn read_codes(f: &Fixture, key: &BlobKey, size: u64) -> Vec<&'static str> {
    let bytes = f.store.get_bytes(key, u64::MAX).await.unwrap_err();
    let target = f.scratch.path().join("fetched");
    let fetched = f.store.fetch_to(key, &target).await.unwrap_err();
    assert!(!target.exists());

    let chunks: Vec<_> = f.store.get(key).await.unwrap().collect().await;
    let (last, before) = chunks.split_last().unwrap();
    let seen: usize = before.iter().map(|chunk| chunk.as_ref().unwrap().len()).sum();
    assert!((seen as u64) < size, "a reader saw {seen} of {size} bytes");
    vec![bytes.code(), fetched.code(), last.as_ref().unwrap_err().code()]
}

async fn a_flipped_byte_is_found_on_read(f: Fixture) {
    for size in [1, 3 * MIB, 20 * MIB] {
        let key = f.store.put_bytes("default", 0, content(size, 11)).await.unwrap().key;
        for at in [0, size / 2, size - 1] {
            let file = std::fs::File::options().read(true).write(true).open(f.backing(&key)).unwrap();
            let mut byte = [0];
            file.read_exact_at(&mut byte, at as u64).unwrap();
            file.write_all_at(&[byte[0] ^ 1], at as u64).unwrap();
            assert_eq!(read_codes(&f, &key, size as u64).await, ["digest_mismatch"; 3], "byte {at} of {size}");
            file.write_all_at(&byte, at as u64).unwrap();
        }
        assert_eq!(f.store.get_bytes(&key, u64::MAX).await.unwrap().len(), size);
    }
}

async fn a_truncated_or_longer_object_is_found_on_read(f: Fixture) {
    let bytes = content(2 * MIB, 12);
    let key = f.store.put_bytes("default", 0, bytes.clone()).await.unwrap().key;
    for size in [0, 1, 2 * MIB - 1] {
        std::fs::write(f.backing(&key), &bytes[..size]).unwrap();
        assert_eq!(read_codes(&f, &key, 2 * MIB as u64).await, ["digest_mismatch"; 3], "cut to {size}");
    }
    std::fs::write(f.backing(&key), [&bytes[..], b"x"].concat()).unwrap();
    assert_eq!(read_codes(&f, &key, 2 * MIB as u64 + 1).await, ["digest_mismatch"; 3]);
}

async fn an_object_of_another_size_is_not_taken_for_ours(f: Fixture) {
    let bytes = content(1000, 13);
    let key = f.store.put_bytes("default", 0, bytes.clone()).await.unwrap().key;
    std::fs::write(f.backing(&key), "short").unwrap();
    assert_eq!(f.store.put_bytes("default", 0, bytes).await.unwrap_err().code(), "size_mismatch");
}

async fn a_file_that_changes_before_it_is_sent_is_refused(f: Fixture) {
    for size in [1000, 20 * MIB] {
        let bytes = content(size, 14);
        let mut flipped = bytes.to_vec();
        flipped[size - 1] ^= 1;
        let changes = [
            ("size_mismatch", [&bytes[..], b"x"].concat()),
            ("size_mismatch", bytes[..size - 1].to_vec()),
            ("size_mismatch", Vec::new()),
            ("digest_mismatch", flipped),
        ];
        for (code, changed) in changes {
            let chunks = futures::stream::iter([Ok::<_, std::io::Error>(bytes.clone())]);
            let spool = Spool::receive(f.scratch.path(), chunks, None).await.unwrap();
            std::fs::write(spool.path(), changed).unwrap();
            // however fast this test is and however coarse the clock of the file system
            std::fs::File::options().write(true).open(spool.path()).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
            assert_eq!(f.store.put_spool("default", 0, &spool).await.unwrap_err().code(), code);
            let key = BlobKey::new("default", spool.digest(), 0).unwrap();
            assert!(!f.store.exists(&key).await.unwrap());
            assert_eq!(f.unfinished(), Vec::<String>::new());
        }
    }
}

async fn a_file_that_grows_while_it_is_sent_is_refused(f: Fixture) {
    let path = f.file(&content(20 * MIB, 15));
    let stop = Arc::new(AtomicBool::new(false));
    let (log, until) = (path.clone(), Arc::clone(&stop));
    let writer = std::thread::spawn(move || {
        let mut file = std::fs::File::options().append(true).open(log).unwrap();
        while !until.load(Ordering::Relaxed) {
            file.write_all(b"one more line\n").unwrap();
            std::thread::sleep(Duration::from_micros(100));
        }
    });
    let error = f.store.put_file("default", 0, &path).await.unwrap_err();
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    assert_eq!(error.code(), "size_mismatch");
    assert!(!f.objects.join("default").exists());
    assert_eq!(f.unfinished(), Vec::<String>::new());
}

async fn a_put_that_is_dropped_leaves_nothing_visible(f: Fixture) {
    let bytes = content(40 * MIB, 16);
    let path = f.file(&bytes);
    let key = BlobKey::new("default", slipway::blob::Digest::of(&bytes), 0).unwrap();
    // The pauses end the put while it hashes, while it sends, and wherever else this machine's speed puts them.
    for pause_ms in [0, 1, 60, 120, 250] {
        let put = f.store.put_file("default", 0, &path);
        let finished = tokio::time::timeout(Duration::from_millis(pause_ms), put).await.is_ok();
        let deadline = Instant::now() + Duration::from_secs(20);
        while !f.unfinished().is_empty() {
            assert!(Instant::now() < deadline, "left behind: {:?}", f.unfinished());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Cut off in its very last step, an object may have been completed; it must then be whole.
        if f.store.exists(&key).await.unwrap() {
            assert_eq!(f.store.get_bytes(&key, u64::MAX).await.unwrap(), bytes);
            f.store.delete(&key).await.unwrap();
        } else {
            assert!(!finished);
        }
    }
    assert!(f.store.put_file("default", 0, &path).await.unwrap().fresh);
}
