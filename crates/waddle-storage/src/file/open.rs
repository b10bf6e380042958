//! Opening, making and checking the file of a database.

use std::sync::{Arc, atomic::Ordering};

use parking_lot::MutexGuard;

use super::{DbFile, Health, WRITER};
use crate::{
    Result, StorageError,
    conn::{Conn, Mode, Tx},
    disk,
    lane::Port,
    migrate::migrate,
    migrations,
};

impl DbFile {
    /// The open connection of `port`, whose lock is held.
    pub(super) fn ensure_open<'a>(
        self: &Arc<Self>,
        port: Port,
        slot: &'a mut MutexGuard<'_, Option<Tx>>,
    ) -> Result<&'a mut Tx> {
        if let Health::Refusing(e) = &*self.health.lock() {
            slot.take();
            return Err(e.clone());
        }
        if slot.is_none() {
            if port != WRITER && !self.prepared.load(Ordering::Acquire) {
                // Order of locks: readers before the writer.
                let mut writer = self.port(WRITER).conn.lock();
                if writer.is_none() {
                    *writer = Some(self.open_writer()?);
                }
            }
            **slot = Some(if port == WRITER {
                self.open_writer()?
            } else {
                self.open_reader()?
            });
        }
        slot.as_mut().ok_or(StorageError::Closed)
    }

    fn open_reader(self: &Arc<Self>) -> Result<Tx> {
        self.shared.reserve(self);
        let conn = Conn::open(
            &self.path,
            Mode::Read,
            self.name.clone(),
            self.shared.clock.clone(),
        )?;
        Ok(Tx::new(conn))
    }

    fn open_writer(self: &Arc<Self>) -> Result<Tx> {
        match std::fs::metadata(&self.path) {
            Ok(meta) if meta.len() == 0 => return Err(self.damaged("the file is empty")),
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(StorageError::NotFound),
            Err(e) => return Err(StorageError::io("opening", &self.path, &e)),
        }
        self.shared.reserve(self);
        let conn = Conn::open(
            &self.path,
            Mode::Write,
            self.name.clone(),
            self.shared.clock.clone(),
        )?;
        if self.is_prepared() {
            return Ok(Tx::new(conn));
        }
        let tx = self.checked(conn)?;
        self.prepared.store(true, Ordering::Release);
        Ok(tx)
    }

    /// The writer of a file that is this database, brought to this version's schema.
    pub(crate) fn checked(&self, conn: Conn) -> Result<Tx> {
        let mut tx = Tx::new(conn);
        self.check_identity(&tx)?;
        migrate(&mut tx, self.migrations(), &self.name)?;
        Ok(tx)
    }

    fn migrations(&self) -> &'static [migrations::Migration] {
        if self.waddle.is_some() {
            migrations::WADDLE
        } else {
            migrations::SERVER
        }
    }

    /// Makes the file, complete or not at all: it is built beside its place and renamed.
    pub(crate) fn create(self: &Arc<Self>) -> Result<()> {
        if self.path.exists() {
            return Err(StorageError::Conflict(self.name.clone()));
        }
        let new = self.path.with_extension("new");
        disk::remove_database(&new)?;
        disk::private_file(&new)?;
        {
            let conn = Conn::open(&new, Mode::Create, self.name.clone(), self.shared.clock.clone())?;
            let mut tx = Tx::new(conn);
            migrate(&mut tx, self.migrations(), &self.name)?;
            tx.begin()?;
            crate::repo::meta::set(&mut tx, "database", &self.name)?;
            tx.commit()?;
            tx.checkpoint()?;
        }
        disk::rename(&new, &self.path)
    }

    /// A file that was put in the place of another is not taken for it.
    fn check_identity(&self, conn: &Conn) -> Result<()> {
        let table = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'meta'";
        if conn.query_opt(table, (), |_| Ok(()))?.is_none() {
            return Err(self.damaged("it is no database of Waddle"));
        }
        match crate::repo::meta::get(conn, "database")? {
            Some(name) if *name == *self.name => Ok(()),
            Some(name) => Err(self.damaged(&format!("it is the database {name}"))),
            None => Err(self.damaged("it does not say which database it is")),
        }
    }

    pub(super) fn damaged(&self, detail: &str) -> StorageError {
        StorageError::Corrupt {
            database: self.name.clone(),
            detail: detail.into(),
        }
    }
}
