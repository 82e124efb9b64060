//! The store traits over SQL, written once for every database.
//!
//! Statements use what SQLite and PostgreSQL have in common: `$1` for values, 64-bit integers, text and bytes. A
//! backend brings a connection to read from, a transaction to write in, and the names of its own errors.
//! Sources: <https://www.sqlite.org/lang.html>, <https://www.postgresql.org/docs/current/sql-commands.html>.

mod clients;
mod connections;
mod creations;
mod deletions;
mod keys;
mod roles;
pub(crate) mod rows;
pub(crate) mod schema;
mod sequencer;
mod settings;
mod topology;

use std::borrow::Cow;
use std::fmt::Write as _;

use async_trait::async_trait;
use cantle_types::Fingerprint;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Arguments, AssertSqlSafe, Database, Encode, FromRow, SqlSafeStr, SqlStr, Type};

use crate::{Erasure, StoreError};

/// A value of a statement.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    Integer(Option<i64>),
    Text(Option<&'a str>),
    Bytes(&'a [u8]),
}

impl From<i64> for Value<'_> {
    fn from(integer: i64) -> Self {
        Self::Integer(Some(integer))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(integer: Option<i64>) -> Self {
        Self::Integer(integer)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

/// A statement and its values. Its text is this crate's own; what comes from outside is a value.
pub(crate) struct Statement<'a> {
    sql: Cow<'static, str>,
    values: Vec<Value<'a>>,
}

impl<'a> Statement<'a> {
    pub(crate) fn new(sql: &'static str) -> Self {
        Self { sql: Cow::Borrowed(sql), values: Vec::new() }
    }

    /// Gives the next `$n` its value.
    pub(crate) fn bind(mut self, value: impl Into<Value<'a>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Appends text.
    pub(crate) fn push(&mut self, sql: &'static str) -> &mut Self {
        self.sql.to_mut().push_str(sql);
        self
    }

    /// Appends text and, after it, a value.
    pub(crate) fn push_value(&mut self, sql: &'static str, value: impl Into<Value<'a>>) -> &mut Self {
        self.values.push(value.into());
        let number = self.values.len();
        // A string takes all that is written to it.
        let _ = write!(self.sql.to_mut(), "{sql}${number}");
        self
    }

    /// The statement as a database takes it.
    pub(crate) fn into_parts<DB>(self) -> Result<(SqlStr, DB::Arguments), sqlx::Error>
    where
        DB: Database,
        for<'t> Option<i64>: Encode<'t, DB> + Type<DB>,
        for<'t> Option<&'t str>: Encode<'t, DB> + Type<DB>,
        for<'t> &'t [u8]: Encode<'t, DB> + Type<DB>,
    {
        let mut arguments = DB::Arguments::default();
        for value in self.values {
            let added = match value {
                Value::Integer(integer) => arguments.add(integer),
                Value::Text(text) => arguments.add(text),
                Value::Bytes(bytes) => arguments.add(bytes),
            };
            added.map_err(sqlx::Error::Encode)?;
        }
        Ok((AssertSqlSafe(self.sql).into_sql_str(), arguments))
    }
}

/// What a row of any of the databases can be read as: a tuple of columns.
pub(crate) trait Columns:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin + 'static
{
}

impl<T> Columns for T where
    T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin + 'static
{
}

/// A node's store in a database that speaks SQL.
#[async_trait]
pub(crate) trait SqlStore: Send + Sync {
    /// A transaction that writes.
    type Write: SqlWrite;

    /// Begins a transaction. Only one at a time, in one process, is under way.
    async fn begin(&self, operation: &'static str) -> Result<Self::Write, StoreError>;

    /// Reads what is committed.
    async fn read<T: Columns>(
        &self,
        operation: &'static str,
        statement: Statement<'_>,
    ) -> Result<Vec<T>, StoreError>;

    /// Reads the first row, if there is one.
    async fn read_first<T: Columns>(
        &self,
        operation: &'static str,
        statement: Statement<'_>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.read(operation, statement).await?.into_iter().next())
    }

    /// Erases from the database's files what deleted and replaced rows left there.
    async fn erase(&self, operation: &'static str) -> Result<Erasure, StoreError>;

    /// Does what the database needs to forget the bytes of a deleted private key. The deletion stands either way.
    async fn private_key_deleted(&self, _fingerprint: &Fingerprint) {}

    /// Whether the last write failed for want of the database; who does not measure does not know.
    fn write_failed(&self) -> bool {
        false
    }
}

/// A transaction that writes; dropped without a commit it changes nothing.
#[async_trait]
pub(crate) trait SqlWrite: Send {
    /// Changes rows and says how many.
    async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, StoreError>;

    /// Reads rows, with what this transaction has changed.
    async fn fetch<T: Columns>(&mut self, statement: Statement<'_>) -> Result<Vec<T>, StoreError>;

    /// Reads the first row, if there is one.
    async fn fetch_first<T: Columns>(&mut self, statement: Statement<'_>) -> Result<Option<T>, StoreError> {
        Ok(self.fetch(statement).await?.into_iter().next())
    }

    /// Makes it durable.
    async fn commit(self) -> Result<(), StoreError>;
}
