//! A remote that is a folder of this machine, or of a mounted one.

use super::{damaged, take_in, unfit};
use crate::VersionError;
use crate::cache::{Cache, persist};
use crate::digest::copy_seeing;
use crate::object::ObjectId;
use crate::parallel;
use crate::path::is_absence;
use crate::progress::Progress;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use tempfile::Builder;

/// The folder.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    fn place(&self, id: &ObjectId) -> PathBuf {
        self.path.join(id.key())
    }

    pub(super) fn missing(&self, ids: &[ObjectId]) -> Result<Vec<ObjectId>, VersionError> {
        let found = parallel::map(ids, |id| {
            let place = self.place(id);
            match fs::metadata(&place) {
                Ok(found) => Ok(found.is_file()),
                Err(error) if is_absence(&error) => Ok(false),
                Err(error) => Err(VersionError::io(&place, &error)),
            }
        })?;
        let absent = ids.iter().zip(found).filter(|(_, is_there)| !is_there);
        Ok(absent.map(|(id, _)| id.clone()).collect())
    }

    pub(super) fn fetch(
        &self,
        ids: &[ObjectId],
        cache: &Cache,
        progress: &Progress,
    ) -> Result<Vec<ObjectId>, VersionError> {
        if !self.path.is_dir() {
            let hint = "mount the folder, or correct the url of the remote";
            let reason = "the folder of the remote is not there";
            return Err(VersionError::environment(self.path.display(), reason, hint));
        }
        let fetched = parallel::map(ids, |id| {
            let place = self.place(id);
            let fault = |error: io::Error| VersionError::io(&place, &error);
            let mut from = match File::open(&place) {
                Ok(file) => file,
                Err(error) if is_absence(&error) => return Ok(false),
                Err(error) => return Err(fault(error)),
            };
            let mut scrap = cache.scrap()?;
            let bytes = io::copy(&mut from, scrap.as_file_mut()).map_err(fault)?;
            progress.pass(bytes);
            take_in(cache, scrap, id, &place.display(), progress)?;
            Ok(true)
        })?;
        let absent = ids.iter().zip(fetched).filter(|(_, is_there)| !is_there);
        Ok(absent.map(|(id, _)| id.clone()).collect())
    }

    pub(super) fn send(
        &self,
        ids: &[ObjectId],
        cache: &Cache,
        progress: &Progress,
    ) -> Result<(), VersionError> {
        parallel::map(ids, |id| {
            let place = self.place(id);
            let object = cache.path(id);
            let fault = |error: io::Error| VersionError::io(&place, &error);
            let mut from =
                File::open(&object).map_err(|error| VersionError::io(&object, &error))?;
            let size = from.metadata().map_err(fault)?.len();
            let folder = place.parent().unwrap_or(&self.path);
            fs::create_dir_all(folder).map_err(fault)?;
            let mut scrap = Builder::new().prefix(".pawl-").tempfile_in(folder).map_err(fault)?;
            let told = |bytes| progress.pass(bytes);
            let seen = copy_seeing(&mut from, scrap.as_file_mut(), size, id.folding, &told);
            let seen = seen.map_err(fault)?;
            if seen.md5 != id.md5() {
                let reason = format!("its bytes have the md5 {}", seen.md5);
                return Err(unfit(cache, id, &damaged(&reason)));
            }
            persist(scrap, &place, 0o444)?;
            progress.finish_file();
            Ok(())
        })
        .map(drop)
    }
}
