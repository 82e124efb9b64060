//! A policy as Terraform configuration: a policy document, and the policy of a role or one to attach.
//!
//! Source: <https://developer.hashicorp.com/terraform/language/syntax/configuration>,
//! <https://registry.terraform.io/providers/hashicorp/aws/latest/docs/data-sources/iam_policy_document>.

use std::fmt::Write;

use cantle_node::IamStatement;

pub(super) fn render(statements: &[IamStatement], role: Option<&str>) -> String {
    let mut text = String::from("data \"aws_iam_policy_document\" \"cantle\" {\n");
    for (index, statement) in statements.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        write_statement(&mut text, statement);
    }
    text.push_str("}\n\n");
    let document = "data.aws_iam_policy_document.cantle.json";
    let resource = match role {
        Some(role) => format!(
            "resource \"aws_iam_role_policy\" \"cantle\" {{\n  name   = \"cantle\"\n  role   = {}\n  policy = {document}\n}}\n",
            quoted(role.rsplit('/').next().unwrap_or(role))
        ),
        None => format!(
            "resource \"aws_iam_policy\" \"cantle\" {{\n  name   = \"cantle\"\n  policy = {document}\n}}\n"
        ),
    };
    text + &resource
}

fn write_statement(text: &mut String, statement: &IamStatement) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  statement {{\n    sid       = {}", quoted(&statement.sid));
    let _ = writeln!(text, "    actions   = {}", list(&statement.actions));
    let _ = writeln!(text, "    resources = {}", list(&statement.resources));
    for condition in &statement.conditions {
        let _ = writeln!(text, "\n    condition {{\n      test     = {}", quoted(condition.operator));
        let _ = writeln!(text, "      variable = {}", quoted(&condition.key));
        let _ = writeln!(text, "      values   = {}\n    }}", list(&condition.values));
    }
    text.push_str("  }\n");
}

fn list<T: AsRef<str>>(values: &[T]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| quoted(value.as_ref())).collect();
    format!("[{}]", quoted.join(", "))
}

/// A string of Terraform's: quotes, backslashes and both kinds of template are escaped.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{}\"", text.replace("${", "$${").replace("%{", "%%{"))
}

#[cfg(test)]
mod tests {
    use cantle_node::IamCondition;

    use super::*;

    fn statement() -> IamStatement {
        IamStatement {
            sid: "SignWithOwnKeys".to_owned(),
            actions: vec!["kms:Sign"],
            resources: vec!["arn:aws:kms:us-east-1:111122223333:key/*".to_owned()],
            conditions: vec![IamCondition {
                operator: "StringEquals",
                key: "aws:ResourceTag/CantleNode".to_owned(),
                values: vec!["a\"${b}".to_owned(), "c".to_owned()],
            }],
        }
    }

    #[test]
    fn a_role_gets_the_policy_itself() {
        let text = render(&[statement()], Some("arn:aws:iam::111122223333:role/path/node"));
        let expected = r#"data "aws_iam_policy_document" "cantle" {
  statement {
    sid       = "SignWithOwnKeys"
    actions   = ["kms:Sign"]
    resources = ["arn:aws:kms:us-east-1:111122223333:key/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/CantleNode"
      values   = ["a\"$${b}", "c"]
    }
  }
}

resource "aws_iam_role_policy" "cantle" {
  name   = "cantle"
  role   = "node"
  policy = data.aws_iam_policy_document.cantle.json
}
"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn without_a_role_the_policy_is_one_to_attach() {
        let text = render(&[statement()], None);
        assert!(text.contains("resource \"aws_iam_policy\" \"cantle\""), "{text}");
        assert!(!text.contains("role"), "{text}");
    }
}
