//! Methods of Scala's collections.

use starlark::values::Value;
use starlark::values::list::AllocList;

use super::collections::{contents, distinct, each, same};
use super::{Call, refuse, shown};

impl<'v> Call<'v, '_, '_, '_, '_> {
    pub(super) fn sequence(&mut self, items: &[Value<'v>]) -> starlark::Result<Option<Value<'v>>> {
        let heap = self.heap();
        let number = |count: usize| heap.alloc(i64::try_from(count).unwrap_or(i64::MAX));
        Ok(Some(match self.name {
            "map" => {
                let mapped =
                    items.iter().map(|item| self.apply(*item)).collect::<starlark::Result<Vec<_>>>()?;
                self.list(mapped)
            }
            "flatMap" => {
                let mut all = Vec::new();
                for item in items {
                    let part = self.apply(*item)?;
                    all.extend(contents(part, heap)?);
                }
                self.list(all)
            }
            "flatten" => {
                let mut all = Vec::new();
                for item in items {
                    all.extend(contents(*item, heap)?);
                }
                self.list(all)
            }
            "foreach" => {
                for item in items {
                    self.apply(*item)?;
                }
                Value::new_none()
            }
            "filter" | "filterNot" => {
                let keep = self.name == "filter";
                let mut kept = Vec::new();
                for item in items {
                    if self.holds(*item)? == keep {
                        kept.push(*item);
                    }
                }
                self.list(kept)
            }
            "find" => {
                for item in items {
                    if self.holds(*item)? {
                        return Ok(Some(self.option(Some(*item))));
                    }
                }
                Value::new_none()
            }
            "exists" | "forall" => {
                let wanted = self.name == "exists";
                for item in items {
                    if self.holds(*item)? == wanted {
                        return Ok(Some(Value::new_bool(wanted)));
                    }
                }
                Value::new_bool(!wanted)
            }
            "count" => {
                let mut count = 0;
                for item in items {
                    count += usize::from(self.holds(*item)?);
                }
                number(count)
            }
            "contains" => {
                let wanted = self.argument()?;
                let mut found = false;
                for item in items {
                    found = found || same(*item, wanted)?;
                }
                Value::new_bool(found)
            }
            "head" | "last" => {
                let item = if self.name == "head" { items.first() } else { items.last() };
                match item {
                    Some(item) => *item,
                    None => return refuse(format!(".{} of an empty list", self.name)).map(Some),
                }
            }
            "headOption" => self.option(items.first().copied()),
            "lastOption" => self.option(items.last().copied()),
            "tail" => self.list(items.get(1..).unwrap_or_default().to_vec()),
            "take" | "drop" => {
                let count =
                    self.argument()?.unpack_i32().and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
                let at = count.min(items.len());
                self.list(if self.name == "take" { items[..at].to_vec() } else { items[at..].to_vec() })
            }
            "size" | "length" => number(items.len()),
            "isEmpty" => Value::new_bool(items.is_empty()),
            "nonEmpty" => Value::new_bool(!items.is_empty()),
            "toSeq" | "toList" | "toVector" => self.list(items.to_vec()),
            "toSet" | "distinct" => self.list(distinct(items)?),
            "reverse" => self.list(items.iter().rev().copied().collect()),
            "sorted" | "sortBy" => {
                let mut keyed = Vec::with_capacity(items.len());
                for item in items {
                    keyed.push((if self.name == "sorted" { *item } else { self.apply(*item)? }, *item));
                }
                let mut failed = None;
                keyed.sort_by(|a, b| {
                    a.0.compare(b.0).unwrap_or_else(|error| {
                        failed = Some(error);
                        std::cmp::Ordering::Equal
                    })
                });
                if let Some(error) = failed {
                    return Err(error);
                }
                self.list(keyed.into_iter().map(|(_, item)| item).collect())
            }
            "zip" => {
                let other = contents(self.argument()?, heap)?;
                let pairs = items.iter().zip(other).map(|(a, b)| heap.alloc((*a, b))).collect();
                self.list(pairs)
            }
            "zipWithIndex" => {
                let pairs = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| heap.alloc((*item, number(index))))
                    .collect();
                self.list(pairs)
            }
            "sum" => {
                let mut sum = heap.alloc(0);
                for item in items {
                    sum = sum.add(*item, heap)?;
                }
                sum
            }
            "min" | "max" => {
                let wanted =
                    if self.name == "min" { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater };
                let Some((first, rest)) = items.split_first() else {
                    return refuse(format!(".{} of an empty list", self.name)).map(Some);
                };
                let mut best = *first;
                for item in rest {
                    if item.compare(best)? == wanted {
                        best = *item;
                    }
                }
                best
            }
            "mkString" => {
                let texts: Vec<String> = items.iter().map(|item| shown(*item)).collect();
                let part = |index: usize| self.args.get(index).map(|value| shown(*value)).unwrap_or_default();
                match self.args.len() {
                    3 => heap.alloc(format!("{}{}{}", part(0), texts.join(&part(1)), part(2))),
                    _ => heap.alloc(texts.join(&part(0))),
                }
            }
            "apply" => {
                return self
                    .argument()
                    .and_then(|index| heap.alloc(AllocList(items.to_vec())).at(index, heap))
                    .map(Some);
            }
            // `participants.all.domains.connect_local(mydomain)`: each of them.
            "domains" if !items.is_empty() => match each(items) {
                Some(each) => each.alloc(heap),
                None => return Ok(None),
            },
            // `nodes.local.start()`: they are running when a script is.
            "start" if items.iter().all(|item| item.has_attr("start", heap)) => Value::new_none(),
            "collect" => {
                return refuse("`collect` is not understood here: write `.filter(…)` and `.map(…)`")
                    .map(Some);
            }
            _ => return Ok(None),
        }))
    }
}
