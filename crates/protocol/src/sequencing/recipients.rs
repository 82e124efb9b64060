//! Who receives an envelope, and who sees that others do.
//!
//! Recipients are trees of groups. A member receives the subtrees whose root is the first group, seen from above,
//! that it stands in: it sees its own group and those below, but neither its siblings nor those above.
//! Invariants: there is at least one tree, no group is empty, and depth and size are bounded. A group is written
//! in the order of its texts.

use std::collections::BTreeSet;

use cantle_proto::protocol::v0;
use cantle_types::{IdentifierError, Member};
use thiserror::Error;

/// How deep trees may be. Views nested as deep as this do not occur.
const DEPTH_MAX: usize = 32;
/// How often members may occur in the recipients of one envelope.
const MEMBERS_MAX: usize = 100_000;

/// Recipients that must not exist.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecipientsError {
    /// There is no tree.
    #[error("there are no recipients")]
    NoTree,
    /// A group has no member.
    #[error("a group of recipients has no member")]
    EmptyGroup,
    /// A text is not a member.
    #[error("a recipient is not a member")]
    Member(#[from] IdentifierError),
    /// The trees are too deep.
    #[error("the recipients are nested deeper than {DEPTH_MAX} groups")]
    TooDeep,
    /// There are too many.
    #[error("there are more than {MEMBERS_MAX} recipients")]
    TooMany,
}

/// A group of members that see each other, and the trees below.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecipientsTree {
    group: BTreeSet<Member>,
    children: Vec<RecipientsTree>,
}

impl RecipientsTree {
    /// A group with trees below it.
    ///
    /// # Errors
    /// When the group is empty.
    pub fn new(
        group: impl IntoIterator<Item = Member>,
        children: Vec<RecipientsTree>,
    ) -> Result<Self, RecipientsError> {
        let group: BTreeSet<_> = group.into_iter().collect();
        if group.is_empty() { Err(RecipientsError::EmptyGroup) } else { Ok(Self { group, children }) }
    }

    /// The members at the root.
    #[must_use]
    pub fn group(&self) -> &BTreeSet<Member> {
        &self.group
    }

    /// The trees below.
    #[must_use]
    pub fn children(&self) -> &[RecipientsTree] {
        &self.children
    }

    fn collect_for<'a>(&'a self, member: &Member, found: &mut Vec<&'a RecipientsTree>) {
        if self.group.contains(member) {
            found.push(self);
        } else {
            self.children.iter().for_each(|child| child.collect_for(member, found));
        }
    }

    fn collect_members<'a>(&'a self, members: &mut BTreeSet<&'a Member>) {
        members.extend(&self.group);
        self.children.iter().for_each(|child| child.collect_members(members));
    }

    fn depth(&self) -> usize {
        1 + self.children.iter().map(Self::depth).max().unwrap_or(0)
    }

    fn size(&self) -> usize {
        self.group.len() + self.children.iter().map(Self::size).sum::<usize>()
    }

    fn to_proto(&self) -> v0::RecipientsTree {
        v0::RecipientsTree {
            recipients: self.group.iter().map(Member::to_string).collect(),
            children: self.children.iter().map(Self::to_proto).collect(),
        }
    }

    /// Reads a tree. `depth` is how many levels it may have, `members` how many it may name.
    fn from_proto(
        tree: &v0::RecipientsTree,
        depth: usize,
        members: &mut usize,
    ) -> Result<Self, RecipientsError> {
        let depth = depth.checked_sub(1).ok_or(RecipientsError::TooDeep)?;
        *members = members.checked_sub(tree.recipients.len()).ok_or(RecipientsError::TooMany)?;
        let group =
            tree.recipients.iter().map(|text| text.parse()).collect::<Result<BTreeSet<Member>, _>>()?;
        let children = tree.children.iter().map(|child| Self::from_proto(child, depth, members));
        Self::new(group, children.collect::<Result<_, _>>()?)
    }
}

/// Who receives an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Recipients(Vec<RecipientsTree>);

impl Recipients {
    /// Several trees that do not see each other.
    ///
    /// # Errors
    /// When there is no tree, or the trees are too deep or name too many members.
    pub fn new(trees: Vec<RecipientsTree>) -> Result<Self, RecipientsError> {
        if trees.is_empty() {
            return Err(RecipientsError::NoTree);
        }
        if trees.iter().any(|tree| tree.depth() > DEPTH_MAX) {
            return Err(RecipientsError::TooDeep);
        }
        if trees.iter().map(RecipientsTree::size).sum::<usize>() > MEMBERS_MAX {
            return Err(RecipientsError::TooMany);
        }
        Ok(Self(trees))
    }

    /// One group whose members see each other.
    ///
    /// # Errors
    /// When it is empty or too large.
    pub fn group(members: impl IntoIterator<Item = Member>) -> Result<Self, RecipientsError> {
        Self::new(vec![RecipientsTree::new(members, Vec::new())?])
    }

    /// Several groups that do not see each other.
    ///
    /// # Errors
    /// When there is none, or one is empty, or there are too many members.
    pub fn groups<G: IntoIterator<Item = Member>>(
        groups: impl IntoIterator<Item = G>,
    ) -> Result<Self, RecipientsError> {
        let trees = groups.into_iter().map(|group| RecipientsTree::new(group, Vec::new()));
        Self::new(trees.collect::<Result<_, _>>()?)
    }

    /// The one member.
    #[must_use]
    pub fn only(member: Member) -> Self {
        Self(vec![RecipientsTree { group: BTreeSet::from([member]), children: Vec::new() }])
    }

    /// The trees.
    #[must_use]
    pub fn trees(&self) -> &[RecipientsTree] {
        &self.0
    }

    /// Everybody who receives the envelope.
    #[must_use]
    pub fn members(&self) -> BTreeSet<&Member> {
        let mut members = BTreeSet::new();
        self.0.iter().for_each(|tree| tree.collect_members(&mut members));
        members
    }

    /// What `member` may see of the recipients; nothing when it is none.
    #[must_use]
    pub fn for_member(&self, member: &Member) -> Option<Self> {
        let mut found = Vec::new();
        self.0.iter().for_each(|tree| tree.collect_for(member, &mut found));
        if found.is_empty() { None } else { Some(Self(found.into_iter().cloned().collect())) }
    }

    /// The group, when the recipients are a single one.
    #[must_use]
    pub fn as_single_group(&self) -> Option<&BTreeSet<Member>> {
        match &self.0[..] {
            [RecipientsTree { group, children }] if children.is_empty() => Some(group),
            _ => None,
        }
    }

    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v0::Recipients {
        v0::Recipients { recipients_tree: self.0.iter().map(RecipientsTree::to_proto).collect() }
    }

    /// Reads the message. A member that is named twice in a group counts once.
    ///
    /// # Errors
    /// As [`Recipients::new`], and when a text is not a member.
    pub fn from_proto(message: &v0::Recipients) -> Result<Self, RecipientsError> {
        let mut members = MEMBERS_MAX;
        let trees = message.recipients_tree.iter();
        let trees = trees.map(|tree| RecipientsTree::from_proto(tree, DEPTH_MAX, &mut members));
        let trees: Vec<_> = trees.collect::<Result<_, _>>()?;
        if trees.is_empty() { Err(RecipientsError::NoTree) } else { Ok(Self(trees)) }
    }
}

#[cfg(test)]
mod tests {
    use cantle_types::MemberCode;
    use proptest::prelude::*;

    use super::*;

    fn member(number: usize) -> Member {
        let code = MemberCode::ALL[number % MemberCode::ALL.len()];
        Member::new(code, format!("m{number}::ns").parse().unwrap())
    }

    fn tree(group: &[usize], children: Vec<RecipientsTree>) -> RecipientsTree {
        RecipientsTree::new(group.iter().map(|&number| member(number)), children).unwrap()
    }

    #[test]
    fn a_member_sees_its_group_and_those_below() {
        let inner = tree(&[3], vec![tree(&[1, 4], Vec::new())]);
        let recipients =
            Recipients::new(vec![tree(&[1, 2], vec![inner.clone()]), tree(&[5], Vec::new())]).unwrap();
        assert_eq!(recipients.for_member(&member(3)).unwrap().trees(), [inner]);
        assert_eq!(recipients.for_member(&member(1)).unwrap().trees(), &recipients.trees()[..1]);
        assert_eq!(recipients.for_member(&member(4)).unwrap().trees(), [tree(&[1, 4], Vec::new())]);
        assert_eq!(recipients.for_member(&member(6)), None);
    }

    #[test]
    fn one_group_is_recognized() {
        let recipients = Recipients::group([member(1), member(2)]).unwrap();
        assert_eq!(recipients.as_single_group().unwrap().len(), 2);
        let nested = Recipients::new(vec![tree(&[1], vec![tree(&[2], Vec::new())])]).unwrap();
        assert_eq!(nested.as_single_group(), None);
        assert_eq!(Recipients::groups([[member(1)], [member(2)]]).unwrap().as_single_group(), None);
        assert_eq!(Recipients::only(member(7)).members().len(), 1);
    }

    #[test]
    fn empty_recipients_and_groups_are_refused() {
        assert_eq!(Recipients::new(Vec::new()), Err(RecipientsError::NoTree));
        assert_eq!(Recipients::group([]), Err(RecipientsError::EmptyGroup));
        assert_eq!(Recipients::from_proto(&v0::Recipients::default()), Err(RecipientsError::NoTree));
        let empty = v0::Recipients { recipients_tree: vec![v0::RecipientsTree::default()] };
        assert_eq!(Recipients::from_proto(&empty), Err(RecipientsError::EmptyGroup));
    }

    #[test]
    fn trees_are_bounded_in_depth_and_size() {
        let chain = |depth| (1..depth).fold(tree(&[0], Vec::new()), |below, _| tree(&[0], vec![below]));
        let deepest = Recipients::new(vec![chain(DEPTH_MAX)]).unwrap();
        assert_eq!(Recipients::from_proto(&deepest.to_proto()), Ok(deepest));
        assert_eq!(Recipients::new(vec![chain(DEPTH_MAX + 1)]), Err(RecipientsError::TooDeep));
        let deeper = v0::Recipients { recipients_tree: vec![chain(DEPTH_MAX + 1).to_proto()] };
        assert_eq!(Recipients::from_proto(&deeper), Err(RecipientsError::TooDeep));
        let many =
            v0::RecipientsTree { recipients: vec![String::new(); MEMBERS_MAX + 1], children: Vec::new() };
        let many = v0::Recipients { recipients_tree: vec![many] };
        assert_eq!(Recipients::from_proto(&many), Err(RecipientsError::TooMany));
    }

    #[test]
    fn texts_that_are_no_members_are_refused() {
        let tree = v0::RecipientsTree { recipients: vec!["PAR::x".into()], children: Vec::new() };
        let recipients = v0::Recipients { recipients_tree: vec![tree] };
        assert!(matches!(Recipients::from_proto(&recipients), Err(RecipientsError::Member(_))));
    }

    fn any_tree() -> impl Strategy<Value = RecipientsTree> {
        let group = prop::collection::btree_set(0_usize..12, 1..4);
        let leaf = group.clone().prop_map(|group| tree(&group.into_iter().collect::<Vec<_>>(), Vec::new()));
        leaf.prop_recursive(4, 24, 3, move |inner| {
            (group.clone(), prop::collection::vec(inner, 0..3))
                .prop_map(|(group, children)| tree(&group.into_iter().collect::<Vec<_>>(), children))
        })
    }

    proptest! {
        #[test]
        fn recipients_are_read_back(trees in prop::collection::vec(any_tree(), 1..4)) {
            let recipients = Recipients::new(trees).unwrap();
            prop_assert_eq!(Recipients::from_proto(&recipients.to_proto()), Ok(recipients));
        }

        #[test]
        fn a_member_is_at_the_root_of_all_it_sees(trees in prop::collection::vec(any_tree(), 1..4)) {
            let recipients = Recipients::new(trees).unwrap();
            for number in 0..12 {
                let member = member(number);
                let seen = recipients.for_member(&member);
                prop_assert_eq!(seen.is_some(), recipients.members().contains(&member));
                if let Some(seen) = seen {
                    prop_assert!(seen.trees().iter().all(|tree| tree.group().contains(&member)));
                    prop_assert_eq!(seen.for_member(&member), Some(seen.clone()));
                }
            }
        }
    }
}
