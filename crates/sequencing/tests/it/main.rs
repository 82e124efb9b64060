//! Members of a test domain against a sequencer in memory, and against one over gRPC.

#[cfg(test)]
mod authentication;
#[cfg(test)]
mod crypto;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod grpc;
#[cfg(test)]
mod grpc_server;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod pressure;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod sending;
#[cfg(test)]
mod support;
#[cfg(test)]
mod time;
#[cfg(test)]
mod topology;
