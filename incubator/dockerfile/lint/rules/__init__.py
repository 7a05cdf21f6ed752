"""The rules, one a module; those of the Dockerfile reference first, then our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incubator.dockerfile.lint.rules import (
    consistent_instruction_casing,
    copy_before_install,
    copy_ignored_file,
    duplicate_stage_name,
    expose_invalid_format,
    expose_proto_casing,
    from_as_casing,
    from_platform_flag_const_disallowed,
    invalid_default_arg_in_from,
    invalid_definition_description,
    invalid_layer_marker,
    json_args_recommended,
    legacy_key_value_format,
    maintainer_deprecated,
    multiple_instructions_disallowed,
    no_empty_continuation,
    package_cache_kept,
    redundant_target_platform,
    reserved_stage_name,
    secret_file_copied,
    secrets_used_in_arg_or_env,
    stage_name_casing,
    undefined_arg_in_from,
    undefined_var,
    workdir_relative_path,
)

if TYPE_CHECKING:
    from incubator.dockerfile.lint.rule import Rule

RULES: Final[tuple[Rule, ...]] = (
    stage_name_casing.RULE,
    from_as_casing.RULE,
    no_empty_continuation.RULE,
    consistent_instruction_casing.RULE,
    duplicate_stage_name.RULE,
    reserved_stage_name.RULE,
    json_args_recommended.RULE,
    maintainer_deprecated.RULE,
    undefined_arg_in_from.RULE,
    workdir_relative_path.RULE,
    undefined_var.RULE,
    multiple_instructions_disallowed.RULE,
    legacy_key_value_format.RULE,
    redundant_target_platform.RULE,
    secrets_used_in_arg_or_env.RULE,
    invalid_default_arg_in_from.RULE,
    from_platform_flag_const_disallowed.RULE,
    copy_ignored_file.RULE,
    invalid_definition_description.RULE,
    expose_proto_casing.RULE,
    expose_invalid_format.RULE,
    secret_file_copied.RULE,
    package_cache_kept.RULE,
    copy_before_install.RULE,
    invalid_layer_marker.RULE,
)
"""Every rule there is."""
