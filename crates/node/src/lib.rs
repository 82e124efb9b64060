//! From configuration to running nodes: start-up, initialization, health and shutdown.
