//! What an address means.

use crate::name::{CycleFolder, FileName, NameError};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/`: the page for people.
    Page,
    /// `/v1/cycles`
    Cycles,
    /// `/v1/cycles/{cycle}`
    Cycle(CycleFolder),
    /// `/v1/cycles/{cycle}/answer`
    Answer(CycleFolder),
    /// `/v1/cycles/{cycle}/files/{name}`
    CycleFile(CycleFolder, FileName),
    /// `/v1/files`: what stands beside the cycles.
    Files,
    /// `/v1/files/{name}`
    File(FileName),
}

/// Why an address means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// There is no such address.
    #[error(
        "no such address; there are /, /v1/cycles, /v1/cycles/CYCLE, /v1/cycles/CYCLE/files/NAME, \
             /v1/cycles/CYCLE/answer, /v1/files and /v1/files/NAME"
    )]
    Unknown,
    /// A name in it is none.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl Route {
    /// Reads the path of an address, still encoded.
    ///
    /// # Errors
    /// [`RouteError`].
    pub fn of(path: &str) -> Result<Self, RouteError> {
        if path == "/" {
            return Ok(Self::Page);
        }
        let path = path.strip_prefix("/v1/").ok_or(RouteError::Unknown)?;
        if let Some(name) = path.strip_prefix("files/") {
            return Ok(Self::File(FileName::of_address(name)?));
        }
        let Some(cycle) = path.strip_prefix("cycles/") else {
            return match path {
                "cycles" => Ok(Self::Cycles),
                "files" => Ok(Self::Files),
                _ => Err(RouteError::Unknown),
            };
        };
        let (cycle, what) = cycle.split_once('/').map_or((cycle, None), |(cycle, what)| (cycle, Some(what)));
        let cycle = cycle.parse()?;
        match what {
            None => Ok(Self::Cycle(cycle)),
            Some("answer") => Ok(Self::Answer(cycle)),
            Some(what) => {
                let name = what.strip_prefix("files/").ok_or(RouteError::Unknown)?;
                Ok(Self::CycleFile(cycle, FileName::of_address(name)?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_they_say() {
        let cycle: CycleFolder = "2018-09-01-001".parse().unwrap();
        let name = FileName::of("issuer/cu-2000.csv").unwrap();
        for (path, route) in [
            ("/", Route::Page),
            ("/v1/cycles", Route::Cycles),
            ("/v1/cycles/2018-09-01-001", Route::Cycle(cycle)),
            ("/v1/cycles/2018-09-01-001/answer", Route::Answer(cycle)),
            ("/v1/cycles/2018-09-01-001/files/issuer/cu-2000.csv", Route::CycleFile(cycle, name.clone())),
            ("/v1/files", Route::Files),
            ("/v1/files/issuer/cu-2000.csv", Route::File(name)),
        ] {
            assert_eq!(Route::of(path), Ok(route), "{path}");
        }
        for path in [
            "",
            "/v1",
            "/v1/",
            "/v2/cycles",
            "//",
            "/v1/cycles/2018-09-01-001/",
            "/v1/cycles/2018-09-01-001/files",
        ] {
            assert_eq!(Route::of(path), Err(RouteError::Unknown), "{path}");
        }
        for path in [
            "/v1/cycles/",
            "/v1/cycles/.state",
            "/v1/cycles/../files/x",
            "/v1/cycles/2018-09-01-001/files/",
            "/v1/cycles/2018-09-01-001/files/../../.state",
            "/v1/files/.state/x",
            "/v1/files//etc/passwd",
        ] {
            assert!(matches!(Route::of(path), Err(RouteError::Name(_))), "{path}");
        }
    }
}
