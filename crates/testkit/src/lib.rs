//! Fixtures and processes for tests. Never a dependency of what is shipped.
