//! The participant role: which keys it needs and how its identity is made.
