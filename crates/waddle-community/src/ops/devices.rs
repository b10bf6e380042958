//! Devices: rows, topics and tuples. The credential itself is identity's.

use std::{sync::Arc, time::Duration};

use waddle_core::{DeviceId, Slug, TopicName, UserId, WaddleId};
use waddle_storage::repo::waddle_devices;

use super::bounded;
use crate::{
    Actor, Community, Device, Error, Event, NewDevice, On, Page, Result, TopicRule, change::Draft, facts,
};

/// How often a device's use is written at the most.
const TOUCHES: Duration = Duration::from_secs(300);

/// Prefixes as they are kept: no slash at the end, valid topic names, not below `$`.
pub(crate) fn topics(rules: Vec<TopicRule>, max: usize) -> Result<Vec<TopicRule>> {
    let invalid = |why| Error::Invalid { field: "topics", why };
    if rules.is_empty() {
        return Err(invalid("at least one prefix"));
    }
    if rules.len() > max {
        return Err(Error::Limit {
            what: "topic prefixes for one device",
            max,
        });
    }
    let mut out: Vec<TopicRule> = Vec::with_capacity(rules.len());
    for mut r in rules {
        let trimmed = r.prefix.trim_end_matches('/').len();
        r.prefix.truncate(trimmed);
        if r.prefix.parse::<TopicName>().is_err() || r.prefix.starts_with('$') {
            return Err(invalid(
                "a prefix is a topic without wildcards that does not begin with $",
            ));
        }
        if !r.read && !r.write {
            return Err(invalid("a prefix is for reading, writing or both"));
        }
        match out.iter_mut().find(|o| o.prefix == r.prefix) {
            Some(same) => {
                same.read |= r.read;
                same.write |= r.write;
            }
            None => out.push(r),
        }
    }
    Ok(out)
}

fn find(d: &Draft<'_>, device: DeviceId) -> Result<Device> {
    waddle_devices::get(d.tx, d.waddle(), device)?.ok_or(Error::NotFound("device"))
}

/// Takes away everything that the device may do.
fn cut_off(d: &mut Draft<'_>, device: DeviceId) {
    let subject = facts::user(&UserId::device(device));
    let given = d.access.read().store.tuples_of(subject.as_ref());
    d.delete_all(given);
}

impl Community {
    /// Makes a device: its row and tuples. Needs `waddle#manage_devices`. Identity then issues a credential
    /// for [`Device::id`]; where that fails, delete the device again.
    pub async fn create_device(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        new: NewDevice,
    ) -> Result<Arc<Device>> {
        let topics = topics(new.topics, self.limits().topics_per_device)?;
        self.change(id, actor.into(), move |d| {
            d.require(On::Waddle, "manage_devices")?;
            bounded(
                "devices in a waddle",
                waddle_devices::count(d.tx)?,
                d.limits.devices_per_waddle,
            )?;
            if waddle_devices::by_name(d.tx, id, &new.name)?.is_some() {
                return Err(Error::Conflict("the waddle has a device of this name"));
            }
            let device = Device {
                id: DeviceId::new(),
                waddle: id,
                name: new.name,
                topics,
                credential: None,
                made_by: d.actor.user().cloned(),
                made_at: d.now,
                revoked_at: None,
                last_use: None,
            };
            waddle_devices::insert(d.tx, &device)?;
            for t in facts::device_tuples(device.id, id) {
                d.write(t);
            }
            d.audit(
                "device.create",
                &format!("device:{}", device.id),
                device.name.as_str(),
                None,
            )?;
            let device = Arc::new(device);
            d.event(Event::DeviceCreated {
                slug: d.slug(),
                device: device.clone(),
            });
            Ok(device)
        })
        .await
    }

    /// Notes the credential that identity issued: the device may do again what is its own. Needs `device#configure`.
    pub async fn set_device_credential(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        device: DeviceId,
        credential: &str,
    ) -> Result<()> {
        let credential = credential.to_owned();
        self.change(id, actor.into(), move |d| {
            find(d, device)?;
            d.require(On::Device(device), "configure")?;
            // A revoked one lost them, and an imported one never had them.
            for t in facts::device_tuples(device, id) {
                d.write(t);
            }
            Ok(waddle_devices::set_credential(d.tx, device, &credential)?)
        })
        .await
    }

    /// Makes a device's credential void; its connections end within a second. Needs `device#configure`.
    pub async fn revoke_device(
        &self,
        actor: impl Into<Actor>,
        id: WaddleId,
        device: DeviceId,
        reason: Option<&str>,
    ) -> Result<()> {
        super::reason(reason)?;
        let reason = reason.map(str::to_owned);
        self.change(id, actor.into(), move |d| {
            let found = find(d, device)?;
            d.require(On::Device(device), "configure")?;
            if found.revoked_at.is_some() {
                return Ok(());
            }
            waddle_devices::revoke(d.tx, device, d.now)?;
            cut_off(d, device);
            d.event(Event::DeviceRevoked { waddle: id, device });
            d.audit(
                "device.revoke",
                &format!("device:{device}"),
                found.name.as_str(),
                reason.as_deref(),
            )
        })
        .await
    }

    /// Deletes a device; its connections end within a second. Needs `device#configure`.
    pub async fn delete_device(&self, actor: impl Into<Actor>, id: WaddleId, device: DeviceId) -> Result<()> {
        self.change(id, actor.into(), move |d| {
            let found = find(d, device)?;
            d.require(On::Device(device), "configure")?;
            waddle_devices::delete(d.tx, device)?;
            cut_off(d, device);
            let about = d.access.read().store.tuples_about(facts::device(device).as_ref());
            d.delete_all(about);
            d.event(Event::DeviceRevoked { waddle: id, device });
            d.audit(
                "device.delete",
                &format!("device:{device}"),
                found.name.as_str(),
                None,
            )
        })
        .await
    }

    /// One page of the devices, by their names, behind `after`.
    pub async fn devices(&self, id: WaddleId, after: Option<Slug>, limit: usize) -> Result<Vec<Device>> {
        let (db, limit) = (self.db(id).await?, limit.min(Page::MAX));
        Ok(db
            .read(move |conn| waddle_devices::list(conn, id, after.as_ref(), limit))
            .await?)
    }

    /// One device.
    pub async fn device(&self, id: WaddleId, device: DeviceId) -> Result<Option<Device>> {
        let db = self.db(id).await?;
        Ok(db.read(move |conn| waddle_devices::get(conn, id, device)).await?)
    }

    /// The device of this name.
    pub async fn device_by_name(&self, id: WaddleId, name: &Slug) -> Result<Option<Device>> {
        let (db, name) = (self.db(id).await?, name.clone());
        Ok(db
            .read(move |conn| waddle_devices::by_name(conn, id, &name))
            .await?)
    }

    /// Notes that a device connects, at most once in five minutes; no permission is asked, nothing is announced.
    pub async fn touch_device(&self, device: &Device) -> Result<()> {
        let now = self.now();
        if device
            .last_use
            .is_some_and(|at| at <= now && now.since(at) < TOUCHES)
        {
            return Ok(());
        }
        let (db, device) = (self.db(device.waddle).await?, device.id);
        Ok(db.write(move |tx| waddle_devices::touch(tx, device, now)).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(prefix: &str, read: bool, write: bool) -> TopicRule {
        TopicRule {
            prefix: prefix.into(),
            read,
            write,
        }
    }

    #[test]
    fn prefixes_are_tidied_and_checked() {
        let ok = topics(vec![rule("home/a/", true, false), rule("home/a", false, true)], 4).unwrap();
        assert_eq!(ok, [rule("home/a", true, true)]);
        assert!(ok[0].covers("home/a") && ok[0].covers("home/a/b") && !ok[0].covers("home/ab"));
        for bad in ["", "/", "a/#", "+", "$SYS/x"] {
            assert!(topics(vec![rule(bad, true, true)], 4).is_err(), "{bad}");
        }
        assert!(topics(vec![rule("a", false, false)], 4).is_err());
        assert!(topics(vec![], 4).is_err());
        assert!(matches!(
            topics(vec![rule("a", true, true), rule("b", true, true)], 1),
            Err(Error::Limit { max: 1, .. })
        ));
    }
}
