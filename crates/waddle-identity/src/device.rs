//! Device credentials: a made-up user name and password of a device of one waddle. What it is called and where it may
//! act is in its waddle (`waddle_community::Device`).

use subtle::ConstantTimeEq as _;
use waddle_core::{DeviceId, Secret, UserId, WaddleId};
use waddle_storage::{
    StorageError,
    repo::device_credentials::{DeviceCredentials, DeviceRow},
};

use crate::{
    Error, Identity, IdentityEvent, LoginError,
    keys::{digest, random, random_text},
    names::DEVICE_PREFIX,
};

/// A credential just made: the only time the password is shown.
#[derive(Debug, Clone)]
pub struct NewDeviceCredential {
    /// What the device logs in as.
    pub username: String,
    /// Its password.
    pub password: Secret,
}

/// A device that proved who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLogin {
    /// The device.
    pub device: DeviceId,
    /// The subject of permissions.
    pub user: UserId,
    /// Its waddle: its topics are mounted there.
    pub waddle: WaddleId,
    /// What it logs in as.
    pub username: String,
}

fn hash(salt: &[u8], password: &str) -> [u8; 32] {
    // the password is 256 random bits: there is nothing to guess, so nothing to slow down
    let mut ctx = ring::digest::Context::new(&ring::digest::SHA256);
    ctx.update(salt);
    ctx.update(password.as_bytes());
    let mut out = [0; 32];
    out.copy_from_slice(ctx.finish().as_ref());
    out
}

fn login(row: &DeviceRow) -> DeviceLogin {
    DeviceLogin {
        device: row.device,
        user: UserId::device(row.device),
        waddle: row.waddle,
        username: row.username.clone(),
    }
}

/// Whether a user name is of the shape that devices have.
pub fn is_device_username(username: &str) -> bool {
    username.starts_with(DEVICE_PREFIX)
}

impl Identity {
    /// Makes the credential of a device, or a new one in place of its old one, which then ends.
    pub async fn create_device_credential(
        &self,
        device: DeviceId,
        waddle: WaddleId,
    ) -> Result<NewDeviceCredential, Error> {
        let username = format!("{DEVICE_PREFIX}{}", hex(&random::<8>()?));
        let password = Secret::new(random_text("wdd_")?);
        let salt = random::<16>()?;
        let row = DeviceRow {
            device,
            waddle,
            username: username.clone(),
            salt: salt.to_vec(),
            digest: hash(&salt, password.expose()).to_vec(),
            created_at: self.0.clock.now(),
        };
        DeviceCredentials(&self.0.db).put(row).await?;
        self.announce(IdentityEvent::DeviceRevoked { device });
        Ok(NewDeviceCredential { username, password })
    }

    /// Which device a user name and password belong to.
    pub async fn verify_device(&self, username: &str, password: &Secret) -> Result<DeviceLogin, LoginError> {
        let found = if is_device_username(username) && username.len() <= 64 {
            DeviceCredentials(&self.0.db).by_username(username).await?
        } else {
            None
        };
        let Some(row) = found else {
            // the same work for a device that is not
            std::hint::black_box(digest(password.expose()));
            return Err(LoginError::NotAuthorized);
        };
        if !bool::from(hash(&row.salt, password.expose()).as_slice().ct_eq(&row.digest)) {
            return Err(LoginError::NotAuthorized);
        }
        Ok(login(&row))
    }

    /// Revokes a device's credential and ends its connections.
    pub async fn revoke_device(&self, device: DeviceId) -> Result<(), Error> {
        match DeviceCredentials(&self.0.db).revoke(device).await {
            Ok(()) => {
                self.announce(IdentityEvent::DeviceRevoked { device });
                Ok(())
            }
            Err(StorageError::NotFound) => Err(Error::NotFound),
            Err(e) => Err(e.into()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
            let _ = write!(out, "{b:02x}");
            out
        })
}
