//! The operations, a file for each kind of thing.

mod audit;
mod bans;
mod beside;
mod bindings;
mod categories;
mod channels;
mod custom_roles;
mod devices;
mod discovery;
mod expiry;
mod invites;
mod join_requests;
mod members;
mod overrides;
mod ownership;
mod personal_invites;
mod places;
mod purge;
mod reports;
mod rules;
mod timeouts;
mod tuples;
mod waddles;

pub(crate) use devices::topics as device_topics;
pub(crate) use members::OF_ONE_MEMBER;

pub use beside::{AuditLine, Beside, Need};

pub use purge::PurgeRequest;
pub use reports::{Complaint, Finding, Handling};
pub use rules::WaddleRule;
pub(crate) use rules::{compiled, stored as stored_rules};
pub use tuples::Written;

use crate::{Error, Result};

/// A text of `min` to `max` characters without control characters (line breaks are allowed where `lines`).
fn text(field: &'static str, why: &'static str, s: &str, bounds: (usize, usize), lines: bool) -> Result<()> {
    let (min, max) = bounds;
    let length = s.chars().take(max + 1).count();
    let odd = s.chars().any(|c| c.is_control() && !(lines && c == '\n'));
    if length < min || length > max || odd || (min > 0 && s.trim().is_empty()) {
        return Err(Error::Invalid { field, why });
    }
    Ok(())
}

fn channel_name(s: &str) -> Result<()> {
    text(
        "name",
        "1 to 100 characters, no control characters",
        s,
        (1, 100),
        false,
    )
}

fn topic(s: &str) -> Result<()> {
    text("topic", "up to 1000 characters", s, (0, 1000), true)
}

fn reason(s: Option<&str>) -> Result<()> {
    s.map_or(Ok(()), |s| {
        text(
            "reason",
            "up to 500 characters, no control characters",
            s,
            (0, 500),
            false,
        )
    })
}

fn bounded(what: &'static str, have: usize, max: usize) -> Result<()> {
    if have >= max {
        return Err(Error::Limit { what, max });
    }
    Ok(())
}
