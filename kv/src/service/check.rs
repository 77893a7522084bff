//! What a request may say. Each check answers with [`Error::Invalid`], in words for whoever wrote the client.

use crate::engine::{Cf, KEY_BYTES_MAX};
use crate::storage::{Error, Result};

/// Most pairs that one scan answers with.
pub const SCAN_LIMIT_MAX: u32 = 10_240;

/// The column family that a client means by `name`: empty means `default`.
///
/// # Errors
/// [`Error::Invalid`] unless it is `default`, `lock` or `write`.
pub fn column_family(name: &str) -> Result<Cf> {
    Cf::of_client(name).ok_or_else(|| {
        Error::Invalid(format!("there is no column family {name:?}: choose default, lock or write"))
    })
}

/// Checks the key of a value.
///
/// # Errors
/// [`Error::Invalid`] if it is empty or too long.
pub fn check_key(key: &[u8]) -> Result<()> {
    if key.is_empty() {
        return Err(Error::Invalid("the key is empty".to_owned()));
    }
    check_scan_key(key)
}

/// Checks a bound of a range: empty means none.
///
/// # Errors
/// [`Error::Invalid`] if it is too long.
pub fn check_scan_key(key: &[u8]) -> Result<()> {
    if key.len() <= KEY_BYTES_MAX {
        return Ok(());
    }
    Err(Error::Invalid(format!("the key is {} bytes long, and keys have {KEY_BYTES_MAX} at most", key.len())))
}

/// The limit of a scan as a count of pairs.
///
/// # Errors
/// [`Error::Invalid`] unless it is between 1 and [`SCAN_LIMIT_MAX`].
pub fn check_limit(limit: u32) -> Result<usize> {
    if !(1..=SCAN_LIMIT_MAX).contains(&limit) {
        return Err(Error::Invalid(format!(
            "the limit is {limit}, and must be between 1 and {SCAN_LIMIT_MAX}"
        )));
    }
    Ok(usize::try_from(limit).expect("10240 fits"))
}

/// Checks that no time to live is asked for: a value that outlived it would be a lie.
///
/// # Errors
/// [`Error::Invalid`] unless it is 0.
pub fn check_ttl(ttl: u64) -> Result<()> {
    if ttl == 0 {
        Ok(())
    } else {
        Err(Error::Invalid("values with a time to live are not supported".to_owned()))
    }
}
