"""Which test covers which check of the seed's suite, by the ids of the acceptance list."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path

IDS = (
    *("A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9"),
    *("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11", "B12"),
    *("C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8"),
    *("D1", "D2", "D3", "D4", "D5", "D6", "D7", "D8", "D9", "D10", "D11"),
    *("E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8"),
    *("F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8", "F9", "F10"),
    *("G1", "G2", "G3", "G4", "G5", "G6", "G7"),
    *("H1", "H2", "H3", "H4"),
    *("I1", "I2", "I3", "I4", "I5"),
    *("J1", "J2", "J3", "J4", "J5", "J6", "J7"),
)

_BAD_WORK = ("test_f_reports::test_an_unusable_work_report_ends_the_run_and_its_field_is_named",)
_BAD_REVIEW = "test_f_reports::test_an_unusable_review_ends_the_run_and_its_field_is_named"

COVERED: Mapping[str, tuple[str, ...]] = {
    "A1": ("test_a_init::test_init_makes_the_templates_in_the_folder_that_is_named",),
    "A2": ("test_a_init::test_a_second_init_changes_no_file",),
    "A3": (
        "test_a_init::test_every_file_of_a_run_is_in_the_folder_that_is_named",
        "test_a_init::test_status_archive_and_health_look_into_the_folder_that_is_named",
    ),
    "A4": ("test_a_init::test_the_flags_of_the_removed_backend_are_usage_errors",),
    "A5": (
        "test_a_init::test_the_flags_of_a_single_round_are_used_in_round_seven",
        "test_a_init::test_the_retries_and_their_base_are_used",
        "test_a_init::test_there_are_as_many_calls_as_retries_and_one",
    ),
    "A6": ("test_a_init::test_status_before_any_run_is_idle",),
    "A7": (
        "test_a_init::test_status_shows_where_a_loop_stands_and_nothing_else",
        "test_a_init::test_status_leaves_out_a_task_and_an_outcome_that_are_not_recorded",
    ),
    "A8": (
        "test_a_init::test_a_path_in_the_repository_is_shown_whole_as_agents_work_elsewhere",
        "test_a_init::test_a_path_outside_the_repository_is_shown_whole",
    ),
    "A9": ("test_a_init::test_every_time_is_in_utc_and_whole_seconds",),
    "B1": ("test_b_rounds::test_changes_required_and_then_an_approval_end_in_round_two",),
    "B2": ("test_b_rounds::test_a_single_round_takes_one_turn_of_each_and_leaves_the_fix_list",),
    "B3": (
        "test_b_rounds::test_the_summary_tells_every_round",
        "test_b_rounds::test_the_tests_that_a_worker_claims_are_counted",
        "test_b_rounds::test_tests_that_are_no_list_are_sent_back_and_never_counted",
    ),
    "B4": (
        "test_b_rounds::test_the_summary_is_also_in_the_archive",
        "test_b_rounds::test_there_is_no_summary_of_what_is_not_approved",
    ),
    "B5": ("test_b_rounds::test_blocking_issues_that_are_no_objects_are_kept_as_reasons",),
    # Read as "every round runs the code on disk, with the settings of the first".
    "B6": ("test_b_rounds::test_all_rounds_run_in_one_process_with_the_settings_of_the_first",),
    "B7": ("test_b_rounds::test_what_a_round_says_is_seen_while_its_agent_is_at_work",),
    "B8": ("test_b_rounds::test_leftovers_of_another_task_do_not_matter",),
    "B9": (
        "test_b_rounds::test_round_two_needs_the_state_and_not_the_review_before_it",
        "test_b_rounds::test_a_review_that_is_removed_during_the_run_is_not_missed",
    ),
    # Read as "status warns, a fresh run sets it aside, --resume is refused".
    "B10": (
        "test_b_rounds::test_status_warns_of_a_corrupt_state_and_shows_idle",
        "test_b_rounds::test_a_fresh_run_sets_a_corrupt_state_aside_and_resume_refuses_it",
    ),
    "B11": (
        "test_b_rounds::test_no_draft_is_left_after_a_run",
        "test_b_rounds::test_a_write_that_fails_leaves_the_old_state_and_no_draft",
        "test_b_rounds::test_a_reader_never_sees_half_a_state",
    ),
    "B12": ("test_b_rounds::test_a_run_that_fails_records_why_and_when",),
    "C1": ("test_c_prompts::test_the_first_prompt_of_the_worker_holds_the_whole_task",),
    # With AGENTS.md, which the seed leaves out from round 2 on.
    "C2": ("test_c_prompts::test_the_second_prompt_of_the_worker_holds_what_was_sent_back",),
    "C3": ("test_c_prompts::test_a_second_round_without_a_fix_list_says_so_and_runs",),
    "C4": ("test_c_prompts::test_the_second_prompt_tells_how_the_round_before_it_went",),
    "C5": ("test_c_prompts::test_a_template_of_ones_own_is_used_and_filled",),
    "C6": ("test_c_prompts::test_a_template_that_is_gone_is_replaced_by_the_packaged_one",),
    "C7": (
        "test_c_prompts::test_instructions_that_the_project_does_not_give_come_with_the_package",
        "test_c_prompts::test_the_instructions_of_the_project_win",
    ),
    "C8": ("test_c_prompts::test_the_prompts_of_the_reviewer_hold_its_role_and_the_round",),
    "D1": (
        "test_d_dispatch::test_the_prompt_goes_through_standard_input_and_not_through_the_arguments",
        "test_d_dispatch::test_codex_is_told_in_a_few_words_where_its_instructions_are",
        "test_d_dispatch::test_claude_reads_its_prompt_and_is_given_a_session",
    ),
    "D2": ("test_d_dispatch::test_an_unknown_backend_is_refused_with_the_list_of_the_known",),
    "D3": ("test_d_dispatch::test_a_backend_that_is_not_installed_ends_the_run",),
    # What the command line alone can show of it: plug-ins (entry points in `loop_kit.backends`)
    # are not covered here, because they are tested where they are made.
    "D4": ("test_d_dispatch::test_an_unknown_backend_is_refused_with_the_list_of_the_known",),
    "D5": (
        "test_d_dispatch::test_an_agent_that_hangs_is_ended_and_the_flag_is_named",
        "test_d_dispatch::test_an_agent_that_never_reads_megabytes_of_prompt_is_ended_too",
    ),
    "D6": ("test_d_dispatch::test_a_call_that_failed_once_is_repeated_after_the_base_delay",),
    "D7": ("test_d_dispatch::test_a_call_that_always_fails_is_repeated_as_often_as_asked",),
    "D8": ("test_d_dispatch::test_a_permanent_failure_is_not_repeated",),
    "D9": ("test_d_dispatch::test_a_failed_call_comes_with_what_to_do_about_it",),
    "D10": ("test_d_dispatch::test_the_dispatch_log_tells_what_was_run_and_all_that_it_said",),
    "D11": (
        "test_d_dispatch::test_the_session_of_codex_is_read_from_its_stream",
        "test_d_dispatch::test_without_a_thread_there_is_no_session",
    ),
    "E1": ("test_e_console::test_finished_commands_are_shown_without_their_wrappers",),
    "E2": (
        "test_e_console::test_messages_are_shown_however_they_are_wrapped",
        "test_e_console::test_a_long_message_is_cut_and_its_white_space_is_collapsed",
    ),
    "E3": (
        "test_e_console::test_edited_files_are_shown_by_as_much_of_their_path_as_tells_them_apart",
    ),
    "E4": (
        "test_e_console::test_commands_that_only_read_are_shown_as_reading",
        "test_e_console::test_the_same_thing_again_and_again_is_shown_once",
        "test_e_console::test_something_else_between_two_equal_reads_shows_both",
        "test_e_console::test_a_line_that_is_no_event_between_two_equal_reads_shows_both",
        "test_e_console::test_a_new_call_shows_again_what_the_last_one_showed",
    ),
    "E5": (
        "test_e_console::test_the_same_thing_again_and_again_is_shown_once",
        "test_e_console::test_something_else_between_two_equal_commands_shows_both",
        "test_e_console::test_what_is_said_twice_is_shown_twice",
    ),
    "E6": ("test_e_console::test_what_tells_a_person_nothing_is_not_shown",),
    "E7": ("test_e_console::test_the_session_is_shown_once",),
    "E8": ("test_e_console::test_verbose_shows_the_raw_lines_too",),
    **dict.fromkeys(("F1", "F2", "F3", "F4", "F5", "F6"), _BAD_WORK),
    "F7": (_BAD_REVIEW,),
    "F8": (_BAD_REVIEW, "test_f_reports::test_a_review_of_three_fields_is_enough"),
    "F9": (
        "test_f_reports::test_a_persons_broken_report_is_warned_of_and_waited_out",
        "test_f_reports::test_a_broken_fix_list_counts_as_none",
        "test_f_reports::test_a_repaired_report_is_as_good_as_a_good_one",
    ),
    # Read as exit code 3.
    "F10": (
        "test_f_reports::test_a_card_that_cannot_be_used_is_refused_before_anything_is_written",
    ),
    "G1": ("test_g_git::test_a_modified_tracked_file_stops_the_run_before_any_call",),
    "G2": ("test_g_git::test_dirty_files_are_listed_and_the_run_proceeds_when_that_is_allowed",),
    "G3": ("test_g_git::test_untracked_files_and_the_loops_own_files_do_not_count",),
    # Read as "a run outside a repository is refused".
    "G4": ("test_g_git::test_a_run_outside_a_repository_is_refused",),
    "G5": (
        "test_g_git::test_dirty_files_are_listed_by_their_right_names",
        "test_g_git::test_a_linked_work_tree_is_a_repository_too",
    ),
    "G6": ("test_g_git::test_a_git_call_that_hangs_is_cut_and_named",),
    "G7": (
        "test_g_git::test_a_diff_between_two_commits_is_printed",
        "test_g_git::test_a_diff_of_a_commit_that_is_not_there_is_refused",
    ),
    "H1": (
        "test_h_lock::test_a_second_run_is_refused_and_touches_nothing",
        "test_h_lock::test_a_removed_lock_file_lets_no_second_run_in",
    ),
    "H2": (
        "test_h_lock::test_a_run_starts_when_the_one_before_was_ended",
        "test_h_lock::test_a_run_starts_when_the_one_before_came_to_its_end",
    ),
    "H3": (
        "test_h_lock::test_roles_without_a_heartbeat_are_dead",
        "test_h_lock::test_a_fresh_heartbeat_is_alive_and_an_old_one_is_stale",
        "test_h_lock::test_a_heartbeat_from_the_future_is_as_good_as_new",
        "test_h_lock::test_the_heartbeat_command_keeps_a_role_alive_until_it_is_ended",
    ),
    "H4": (
        "test_h_lock::test_a_required_heartbeat_that_is_missing_or_stale_stops_the_wait_at_once",
        "test_h_lock::test_a_required_heartbeat_is_asked_of_each_role_in_its_turn",
        "test_h_lock::test_an_agent_that_is_dispatched_has_its_heartbeat_kept_for_it",
    ),
    "I1": (
        "test_i_archive::test_reports_are_archived_byte_for_byte",
        "test_i_archive::test_a_report_that_a_person_left_is_archived_before_it_is_replaced",
        "test_i_archive::test_nothing_is_archived_of_what_is_not_there",
    ),
    "I2": ("test_i_archive::test_the_archive_labels_each_file_by_the_round_of_its_content",),
    "I3": ("test_i_archive::test_the_state_before_each_round_is_kept",),
    "I4": (
        "test_i_archive::test_the_archive_lists_the_names_of_a_task",
        "test_i_archive::test_an_archived_file_is_restored_byte_for_byte",
    ),
    "I5": (
        "test_i_archive::test_a_task_id_that_is_a_path_is_refused",
        "test_i_archive::test_a_name_that_leads_out_of_the_archive_is_refused",
    ),
    "J1": ("test_j_resume::test_resuming_in_round_two_starts_there_with_the_old_base",),
    "J2": ("test_j_resume::test_resuming_an_approved_loop_says_so_and_calls_nobody",),
    # Read as "resume continues".
    "J3": ("test_j_resume::test_a_failed_run_is_resumed_at_the_phase_that_failed",),
    "J4": (
        "test_j_resume::test_without_reset_the_card_and_the_old_reports_survive",
        "test_j_resume::test_a_reset_removes_stale_files_before_the_run_and_keeps_the_card",
        "test_j_resume::test_a_reset_run_comes_to_its_end",
        "test_j_resume::test_a_reset_is_of_the_folder_that_is_named",
        "test_j_resume::test_a_reset_takes_nothing_from_a_run_that_holds_the_lock",
    ),
    "J5": (
        "test_j_resume::test_the_configuration_dispatches_and_the_flag_overrides_it",
        "test_j_resume::test_without_flag_and_configuration_people_are_waited_for",
    ),
    "J6": (
        "test_j_resume::test_a_line_of_the_log_is_in_both_logs",
        "test_j_resume::test_the_feed_of_a_run_speaks_of_its_own_task_alone",
    ),
    "J7": ("test_j_resume::test_a_log_of_five_mebibytes_is_rotated_and_the_oldest_is_dropped",),
}


def written() -> Iterator[str]:
    """Every test of this folder but those of this module, as `module::function`."""
    for path in sorted(Path(__file__).parent.glob("test_[a-j]_*.py")):
        module = importlib.import_module(f"tests.seed.{path.stem}")
        yield from (f"{path.stem}::{name}" for name in vars(module) if name.startswith("test_"))


def test_every_check_of_the_seeds_suite_is_in_the_table() -> None:
    assert len(IDS) == len(set(IDS)) == 81
    assert tuple(COVERED) == IDS
    assert [id_ for id_ in IDS if not COVERED[id_]] == []


def test_the_table_names_the_tests_that_there_are_and_forgets_none() -> None:
    named = {name for names in COVERED.values() for name in names}
    assert named == set(written())
