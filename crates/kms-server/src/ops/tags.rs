//! TagResource, UntagResource, ListResourceTags.

use serde_json::{Value, json};

use super::{
    lifecycle::change,
    listing::{Page, invalid_marker},
};
use crate::{
    call::{Answer, Call},
    error::KmsError,
    model::fields::Need,
    state::key::Tag,
};

const MAX_TAGS: usize = 50;

/// The rules on tags that the model does not state.
pub(super) fn checked(tags: Vec<Tag>) -> Result<Vec<Tag>, KmsError> {
    if tags.iter().any(|tag| tag.key.len() >= 4 && tag.key.as_bytes()[..4].eq_ignore_ascii_case(b"aws:")) {
        return Err(KmsError::tag("Tags beginning with aws: are reserved"));
    }
    let mut keys: Vec<&str> = tags.iter().map(|tag| &*tag.key).collect();
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(KmsError::tag("Duplicate tag keys"));
    }
    if tags.len() > MAX_TAGS {
        return Err(KmsError::tag("Too many tags"));
    }
    Ok(tags)
}

pub(super) fn tag_resource(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    let tags = fields.tags("Tags", Need::Required);
    fields.finish()?;
    let tags = checked(tags)?;
    let key = call.permitted(key_id)?.key;
    change(call, &key, |key| {
        call.check_not_deleting(key)?;
        let mut all = key.tags.to_vec();
        for tag in tags {
            match all.iter_mut().find(|known| known.key == tag.key) {
                Some(known) => known.value = tag.value,
                None => all.push(tag),
            }
        }
        if all.len() > MAX_TAGS {
            return Err(KmsError::limit_exceeded("Too many tags"));
        }
        key.tags = all.into();
        Ok(Value::Null)
    })
}

pub(super) fn untag_resource(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    let names = fields.tag_keys("TagKeys");
    fields.finish()?;
    let key = call.permitted(key_id)?.key;
    change(call, &key, |key| {
        call.check_not_deleting(key)?;
        let mut all = key.tags.to_vec();
        all.retain(|tag| !names.contains(&&*tag.key));
        key.tags = all.into();
        Ok(Value::Null)
    })
}

pub(super) fn list_resource_tags(call: &Call) -> Answer {
    let fields = call.fields();
    let key_id = fields.key_id();
    let page = Page::read(&fields, 50, 1000);
    fields.finish()?;
    let key = call.permitted(key_id)?.key;
    let after = page.after()?;
    let all = key.tags.to_vec();
    let start = match after.as_str() {
        "" => 0,
        name => all.iter().position(|tag| *tag.key == *name).ok_or_else(invalid_marker)? + 1,
    };
    let tags: Vec<&Tag> = all.iter().skip(start).take(page.limit + 1).collect();
    Ok(page.answer(
        "Tags",
        tags,
        |tag| tag.key.to_string(),
        |tag| json!({"TagKey": &*tag.key, "TagValue": &*tag.value}),
    ))
}
