//! `cantle iam-policy`: the least IAM policy for a configuration, as a document or for Terraform.
//!
//! The policy goes to stdout, what it rests on to stderr.

mod terraform;

use cantle_kms::KmsKeyId;
use cantle_node::{IamPolicyOptions, IamStatement, iam_policy};
use serde_json::{Map, Value, json};

use crate::{
    cli::{Global, IamPolicy, PolicyFormat},
    commands::check,
    failure::Failure,
    output::{say, tell},
};

pub(crate) async fn run(policy: &IamPolicy, global: &Global) -> Result<(), Failure> {
    let config = check::load(global)?;
    if config.nodes().next().is_none() {
        return Err(Failure::Usage("error: no node is configured; use -c FILE".to_owned()));
    }
    if global.json && policy.format == PolicyFormat::Terraform {
        return Err(Failure::Usage("error: --json and --format terraform exclude each other".to_owned()));
    }
    let options = IamPolicyOptions {
        account: policy.account.clone(),
        role: policy.role.clone(),
        reconcile: policy.reconcile,
        migration: policy.migration,
        keys: keys(&policy.key)?,
        pre_generated: policy.pre_generated,
    };
    let found = iam_policy(&config, &global.data_dir(), &options).await.map_err(Failure::usage)?;
    for note in &found.notes {
        tell!("note: {note}");
    }
    match policy.format {
        PolicyFormat::Json => say!("{:#}", document(&found.statements)),
        PolicyFormat::Terraform => {
            say!("{}", terraform::render(&found.statements, policy.role.as_deref()).trim_end());
        }
    }
    Ok(())
}

fn keys(texts: &[String]) -> Result<Vec<KmsKeyId>, Failure> {
    let parsed = texts.iter().map(|text| {
        let key = KmsKeyId::parse(text).map_err(Failure::usage)?;
        if key.is_alias() {
            return Err(Failure::Usage(format!(
                "error: {key} is an alias, which a policy cannot name; give the key's ARN \
                 (aws kms describe-key --key-id {key})"
            )));
        }
        Ok(key)
    });
    parsed.collect()
}

/// The policy document.
fn document(statements: &[IamStatement]) -> Value {
    let statements = statements.iter().map(|statement| {
        let mut object = Map::new();
        object.insert("Sid".to_owned(), statement.sid.clone().into());
        object.insert("Effect".to_owned(), "Allow".into());
        object.insert("Action".to_owned(), one_or_many(&statement.actions));
        object.insert("Resource".to_owned(), one_or_many(&statement.resources));
        let mut conditions = Map::new();
        for condition in &statement.conditions {
            let operator = conditions.entry(condition.operator).or_insert_with(|| json!({}));
            operator[condition.key.as_str()] = one_or_many(&condition.values);
        }
        if !conditions.is_empty() {
            object.insert("Condition".to_owned(), conditions.into());
        }
        Value::Object(object)
    });
    json!({"Version": "2012-10-17", "Statement": statements.collect::<Vec<_>>()})
}

fn one_or_many<T: AsRef<str>>(values: &[T]) -> Value {
    match values {
        [one] => one.as_ref().into(),
        many => many.iter().map(|value| Value::from(value.as_ref())).collect(),
    }
}
