//! Someone who controls an endpoint, the environment or a proxy.
