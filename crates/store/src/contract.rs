//! One suite for every store: what the traits promise, tested from outside.
//!
//! A backend's tests call [`run`] with a way to open a fresh, empty store; a failed promise panics with the line that
//! was broken. It does not test what needs more than one process: locks, crashes and migrations are the backend's own
//! tests.

mod creations;
mod deletions;
mod domain;
mod keys;
mod samples;
mod sequencer;
mod settings;
mod topology;

use std::sync::Arc;

use crate::NodeStore;
pub use samples::{private, signing_pair};

/// Runs the suite; each part on a store of its own from `fresh`.
///
/// # Panics
/// Where the store breaks its contract.
pub async fn run<F>(fresh: impl Fn() -> F)
where
    F: Future<Output = Arc<dyn NodeStore>>,
{
    keys::public_keys_keep_order_and_first_name(&*fresh().await).await;
    keys::public_key_of_other_scheme_conflicts(&*fresh().await).await;
    keys::renaming_needs_the_key(&*fresh().await).await;
    keys::names_of_any_characters_survive(&*fresh().await).await;
    keys::kms_key_is_stored_whole_once(&*fresh().await).await;
    keys::kms_key_takes_over_an_imported_public_key(&*fresh().await).await;
    keys::kms_key_behind_two_public_keys_conflicts_and_stores_nothing(&*fresh().await).await;
    keys::private_key_is_stored_whole_once(&*fresh().await).await;
    keys::first_key_claims_the_provider(&*fresh().await).await;
    keys::deletion_removes_all_rows_of_one_key(&*fresh().await).await;
    keys::private_keys_are_replaced_together_or_not_at_all(&*fresh().await).await;
    keys::keys_move_to_a_kms_and_back(&*fresh().await).await;
    creations::journal_follows_a_creation(&*fresh().await).await;
    creations::storing_the_key_ends_its_creation(&*fresh().await).await;
    creations::using_a_wrapper_key_ends_its_creation(&*fresh().await).await;
    deletions::deletions_follow_what_is_asked_for(&*fresh().await).await;
    deletions::a_deleted_key_has_no_deletion_left(&*fresh().await).await;
    settings::provider_is_claimed_once(&*fresh().await).await;
    settings::uid_is_written_once(&*fresh().await).await;
    topology::times_increase_and_come_back(&*fresh().await).await;
    topology::removal_ends_all_of_its_path(&*fresh().await).await;
    topology::replacement_ends_its_predecessor(&*fresh().await).await;
    topology::nothing_is_appended_when_one_conflicts(&*fresh().await).await;
    topology::a_removed_addition_cannot_come_back(&*fresh().await).await;
    topology::queries_filter_and_look_back(&*fresh().await).await;
    topology::stores_do_not_mix(&*fresh().await).await;
    sequencer::events_come_back_by_member_and_counter(&*fresh().await).await;
    sequencer::what_does_not_follow_is_refused_whole(&*fresh().await).await;
    sequencer::topology_is_stored_with_its_events(&*fresh().await).await;
    sequencer::acknowledgements_never_go_back(&*fresh().await).await;
    domain::cursors_never_go_back(&*fresh().await).await;
    domain::connections_keep_alias_and_domain(&*fresh().await).await;
    domain::role_settings_are_told_apart(&*fresh().await).await;
    topology::concurrent_appends_get_distinct_times(fresh().await).await;
    keys::concurrent_insertions_store_one_key(fresh().await).await;
}
