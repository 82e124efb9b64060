//! Canton's gRPC admin services over handles they are given.
