//! Pages of long lists: `?cursor=…&limit=…`, and `next` in the answer. A cursor is opaque: it says of which list it is
//! and after which entry the page begins, so that what comes and goes in between moves nothing.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::IntoParams;

use crate::problem::Problem;

/// The most that a page holds.
const MOST: usize = 200;
/// What it holds where nothing is asked.
const USUAL: usize = 50;
/// The longest cursor.
const LONGEST: usize = 1_024;

/// Which part of a list is asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// `next` of the page before; left out for the first.
    cursor: Option<String>,
    /// How many at the most; 50 where it is left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

impl Paging {
    /// How many at the most; 400 where it is not 1 to 200.
    pub fn limit(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(USUAL) {
            n @ 1..=MOST => Ok(n),
            _ => Err(Problem::bad_request("limit: expected 1 to 200")),
        }
    }

    /// The entry after which the page begins, as [`next`] of the same list wrote it.
    pub fn after<K: DeserializeOwned>(&self, list: &str) -> Result<Option<K>, Problem> {
        let Some(text) = self.cursor.as_deref() else {
            return Ok(None);
        };
        let read = |text: &str| -> Option<K> {
            let bytes = (text.len() <= LONGEST).then(|| B64.decode(text).ok())??;
            let (of, key): (String, K) = serde_json::from_slice(&bytes).ok()?;
            (of == list).then_some(key)
        };
        let wrong = || Problem::bad_request("cursor: expected next of the page before, of the same list");
        read(text).map(Some).ok_or_else(wrong)
    }
}

/// The cursor of the page that begins after `key`.
pub fn next<K: Serialize>(list: &str, key: &K) -> Option<String> {
    serde_json::to_vec(&(list, key)).ok().map(|b| B64.encode(b))
}

/// The cursor behind a page that is full; `key` names its last entry.
pub fn behind<'a, T, K: Serialize>(
    list: &str,
    page: &'a [T],
    limit: usize,
    key: impl FnOnce(&'a T) -> K,
) -> Option<String> {
    let last = page.last().filter(|_| page.len() >= limit)?;
    next(list, &key(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(cursor: Option<String>, limit: Option<usize>) -> Paging {
        Paging { cursor, limit }
    }

    #[test]
    fn a_cursor_is_of_its_list() {
        let key = ("2026-01-31T12:00:00Z".to_owned(), 7_u32);
        let cursor = next("members", &key);
        assert_eq!(asked(cursor.clone(), None).after("members").unwrap(), Some(key));
        assert!(
            asked(cursor.clone(), None)
                .after::<(String, u32)>("bans")
                .is_err()
        );
        assert!(asked(cursor, None).after::<u32>("members").is_err());
        for bad in ["", "x", "====", &"A".repeat(LONGEST + 1)] {
            assert!(
                asked(Some(bad.into()), None).after::<u32>("members").is_err(),
                "{bad}"
            );
        }
        assert_eq!(asked(None, None).after::<u32>("members").unwrap(), None);
    }

    #[test]
    fn a_limit_has_bounds() {
        assert_eq!(asked(None, None).limit().unwrap(), USUAL);
        assert_eq!(asked(None, Some(200)).limit().unwrap(), 200);
        assert!(asked(None, Some(0)).limit().is_err() && asked(None, Some(201)).limit().is_err());
    }
}
