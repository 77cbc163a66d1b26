//! The methods of both versions of the service, by path.

/// What a path asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) version: Version,
    pub(super) method: Method,
    /// What stands in front of the service; empty if nothing does. Web providers can be given a prefix
    /// of the path, and no selector.
    pub(super) environment: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    All,
    Boolean,
    String,
    Float,
    Int,
    Object,
    Events,
}

impl Call {
    /// The method at a path; `None` if there is none.
    pub(super) fn of_path(path: &str) -> Option<Self> {
        let mut parts = path.rsplit('/').filter(|part| !part.is_empty());
        let (method, service) = (parts.next()?, parts.next()?);
        let environment = parts.next().unwrap_or_default().to_owned();
        let version = match service {
            "flagd.evaluation.v1.Service" => Version::V1,
            "flagd.evaluation.v2.Service" => Version::V2,
            _ => return None,
        };
        let method = match (method, version) {
            ("ResolveAll", Version::V1) => Method::All,
            ("ResolveBoolean", _) => Method::Boolean,
            ("ResolveString", _) => Method::String,
            ("ResolveFloat", _) => Method::Float,
            ("ResolveInt", _) => Method::Int,
            ("ResolveObject", _) => Method::Object,
            ("EventStream", _) => Method::Events,
            _ => return None,
        };
        if parts.next().is_some() {
            return None;
        }
        Some(Self {
            version,
            method,
            environment,
        })
    }

    /// Its name in the metrics.
    pub(super) fn name(&self) -> &'static str {
        match (self.version, self.method) {
            (_, Method::All) => "connect.v1/ResolveAll",
            (Version::V1, Method::Boolean) => "connect.v1/ResolveBoolean",
            (Version::V1, Method::String) => "connect.v1/ResolveString",
            (Version::V1, Method::Float) => "connect.v1/ResolveFloat",
            (Version::V1, Method::Int) => "connect.v1/ResolveInt",
            (Version::V1, Method::Object) => "connect.v1/ResolveObject",
            (Version::V1, Method::Events) => "connect.v1/EventStream",
            (Version::V2, Method::Boolean) => "connect.v2/ResolveBoolean",
            (Version::V2, Method::String) => "connect.v2/ResolveString",
            (Version::V2, Method::Float) => "connect.v2/ResolveFloat",
            (Version::V2, Method::Int) => "connect.v2/ResolveInt",
            (Version::V2, Method::Object) => "connect.v2/ResolveObject",
            (Version::V2, Method::Events) => "connect.v2/EventStream",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_methods() {
        for (path, expected) in [
            (
                "/flagd.evaluation.v1.Service/ResolveAll",
                Some((Version::V1, Method::All, "")),
            ),
            (
                "/flagd.evaluation.v2.Service/ResolveInt",
                Some((Version::V2, Method::Int, "")),
            ),
            (
                "/staging/flagd.evaluation.v1.Service/EventStream",
                Some((Version::V1, Method::Events, "staging")),
            ),
            (
                "//flagd.evaluation.v1.Service/ResolveAll",
                Some((Version::V1, Method::All, "")),
            ),
            ("/flagd.evaluation.v2.Service/ResolveAll", None),
            ("/flagd.evaluation.v1.Service/", None),
            ("/a/b/flagd.evaluation.v1.Service/ResolveAll", None),
            ("/flagd.sync.v1.FlagSyncService/SyncFlags", None),
            ("/", None),
        ] {
            let call = Call::of_path(path);
            let found = call
                .as_ref()
                .map(|call| (call.version, call.method, call.environment.as_str()));
            assert_eq!(found, expected, "{path}");
        }
    }
}
