"""Checks before methods of moto's that would say of anything that it was done; what is asked decides.

They stand before the models and not before the requests, so that what CloudFormation makes is held to them too.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sagelab.cloud.gateway.moto import (
    catalogue,
    deliveries,
    event_bus,
    key_policies,
    key_rules,
    linked_roles,
    log_subscriptions,
    mfa,
    policies,
    queues,
    rules,
    s3,
    schedules,
    service_roles,
    services,
    sessions,
    state_machines,
    targets,
    vpc_endpoints,
    vpc_networks,
)

# Given the arguments, which it may mend; what it returns is given the result.
Check = Callable[[dict[str, Any]], Callable[[Any], None] | None]


@dataclass(frozen=True)
class _Held:
    """owner: a class of a module of moto's ("events.models.Rule"), or a module. methods: of it, by a blank."""

    owner: str
    methods: str
    check: Check


_SCHEDULER = "EventBridgeSchedulerBackend"
_ACLS = "ec2.models.network_acls.NetworkAclBackend"
_LISTS = "ec2.models.managed_prefixes.ManagedPrefixListBackend"
_ZONES = "availability_zones_and_regions.RegionsAndZonesBackend"


def _rule(name: str) -> Check:
    """A check of function_rules.py, which imports moto's Lambda: that is loaded with its first request."""

    def check(asked: dict[str, Any]) -> Callable[[Any], None] | None:
        found: Check = getattr(importlib.import_module(f"{__package__}.function_rules"), name)
        return found(asked)

    return check


_HELD: dict[str, tuple[_Held, ...]] = {
    "awslambda": (
        _Held("awslambda.models.LambdaFunction", "__init__", _rule("check_new")),
        _Held("awslambda.models.LambdaFunction", "update_configuration", _rule("check_change")),
        _Held("awslambda.models.LambdaFunction", "_set_function_code", _rule("keep_code")),
        _Held("awslambda.models.LambdaFunction", "get_configuration", _rule("describe")),
        _Held("awslambda.models.LambdaFunction", "get_code", _rule("tell_code")),
        _Held("awslambda.models.LambdaBackend", "put_function_event_invoke_config", _rule("put_events")),
        _Held("awslambda.models.LambdaBackend", "update_function_event_invoke_config", _rule("update_events")),
        _Held("awslambda.policy.Policy", "add_statement", _rule("name_principal")),
        _Held("awslambda.models.LambdaStorage", "del_function", _rule("forget")),
        _Held("awslambda.models.LayerVersion", "__init__", _rule("keep_layer")),
    ),
    "cloudformation": (
        _Held("cloudformation.models", "get_stack_from_s3_url", service_roles.check_template),
        _Held("cloudformation.responses", "get_stack_from_s3_url", service_roles.check_template),
        _Held("cloudformation.parsing.ResourceMap", "parse_ssm_parameter", service_roles.check_parameter),
    ),
    "cloudwatch": (_Held("cloudwatch.models.CloudWatchBackend", "get_metric_statistics", rules.match_dimensions),),
    "cognitoidp": (
        _Held("cognitoidp.models.CognitoIdpBackend", "admin_create_user", rules.check_new_user),
        _Held("cognitoidp.models.CognitoIdpBackend", "initiate_auth", rules.check_sign_in),
    ),
    "dynamodb": (
        _Held("dynamodb.models.DynamoDBBackend", "import_table", service_roles.check_import),
        _Held("dynamodb.models.DynamoDBBackend", "export_table", service_roles.check_export),
        _Held("dynamodb.responses.DynamoHandler", "export_table_to_point_in_time", rules.complete_export),
    ),
    "ec2": (
        _Held("ec2.models.vpcs.VPCBackend", "create_vpc_endpoint", vpc_endpoints.complete),
        _Held("ec2.models.vpcs.VPCBackend", "modify_vpc_endpoint", vpc_endpoints.check_policy),
        _Held(_ACLS, "create_network_acl_entry replace_network_acl_entry", vpc_networks.check_rule),
        _Held(_LISTS, "create_managed_prefix_list", vpc_networks.check_new_list),
        _Held(_LISTS, "modify_managed_prefix_list", vpc_networks.check_entries),
        _Held(f"ec2.models.{_ZONES}", "describe_availability_zones", rules.tell_zones),
    ),
    "events": (
        _Held("events.models.EventsBackend", "put_rule", schedules.check_rule),
        _Held("events.responses.EventsHandler", "list_rules", rules.check_prefix),
        _Held("events.models.EventsBackend", "put_rule create_archive update_archive", event_bus.check_pattern),
        _Held("events.models.EventsBackend", "put_events", event_bus.check_entries),
        _Held("events.responses.EventsHandler", "test_event_pattern", event_bus.try_pattern),
        _Held("events.models.Replay", "replay_events", event_bus.replay),
        _Held("events.models.Rule", "put_targets", targets.check_targets),
        _Held("events.models.Rule", "send_to_targets", event_bus.take),
    ),
    "glue": (
        _Held("glue.models.GlueBackend", "create_database", catalogue.fold_database),
        _Held("glue.models.GlueBackend", "create_table", catalogue.fold_table),
        _Held("glue.models.GlueBackend", "get_database get_table", catalogue.find_folded),
        _Held("glue.responses.GlueResponse", "get_partitions", catalogue.page_partitions),
    ),
    "iam": (
        _Held("iam.models.IAMBackend", "create_service_linked_role", linked_roles.make),
        _Held("iam.models.IAMBackend", "create_virtual_mfa_device", mfa.make),
        _Held("iam.models.IAMBackend", "enable_mfa_device", mfa.check_enabling),
        _Held("iam.models.IAMBackend", "delete_virtual_mfa_device", mfa.check_removal),
        _Held("iam.models.IAMBackend", "delete_user", mfa.check_user),
        _Held("iam.responses.IamResponse", "create_user", policies.bound_user),
        _Held("iam.responses.IamResponse", "list_virtual_mfa_devices", mfa.hide_seeds),
        _Held("iam.models.IAMBackend", "create_policy create_policy_version", policies.check_managed),
        _Held(
            "iam.models.Role",
            "create_from_cloudformation_json update_from_cloudformation_json",
            policies.attach_managed,
        ),
        _Held("iam.models.Role", "delete_from_cloudformation_json", policies.detach_managed),
        _Held("iam.models.IAMBackend", "create_role update_assume_role_policy", policies.check_trust),
        _Held("iam.models.IAMBackend", "put_user_policy put_group_policy put_role_policy", policies.check_inline),
    ),
    "kms": (
        _Held("kms.models.KmsBackend", "create_key put_key_policy", key_policies.check_policy),
        _Held("kms.models.KmsBackend", "create_key", key_rules.complete),
        _Held(
            "kms.models.KmsBackend",
            "cancel_key_deletion disable_key enable_key schedule_key_deletion",
            key_rules.name,
        ),
    ),
    "logs": (
        _Held("logs.models.LogsBackend", "put_subscription_filter", targets.check_log_filter),
        _Held("logs.models.LogsBackend", "put_subscription_filter", log_subscriptions.check),
        _Held("logs.models.LogStream", "_send_log_events", log_subscriptions.deliver),
        _Held("logs.models.LogsBackend", "_find_log_group", rules.name_group),
        _Held("logs.models.LogsBackend", "create_export_task", service_roles.check_log_export),
    ),
    "s3": (
        _Held("s3.models.FakeBucket", "set_notification_configuration", deliveries.check_destinations),
        _Held("s3.notifications", "_send_sqs_message", deliveries.check_queue),
        _Held("s3.notifications", "_send_sns_message", deliveries.check_topic),
        _Held("s3.notifications", "_send_event_bridge_message", event_bus.tell_of_object),
        _Held("events.notifications", "_send_safe_notification", event_bus.keep_silent),
        _Held("s3.notifications", "_invoke_awslambda", deliveries.check_function),
        _Held("s3.models.S3Backend", "create_bucket", s3.check_name),
        _Held("s3.responses", "cors_matches_origin", rules.match_origin),
        _Held("s3.models.S3Backend", "put_bucket_policy", s3.check_policy),
        _Held("s3.models.S3Backend", "put_bucket_encryption", s3.check_encryption),
    ),
    "scheduler": tuple(
        _Held(f"scheduler.models.{owner}", methods, check)
        for owner, methods, check in (
            (_SCHEDULER, "create_schedule update_schedule", schedules.check_schedule),
            (_SCHEDULER, "create_schedule_group", schedules.check_group),
            (_SCHEDULER, "delete_schedule_group", schedules.check_removal),
        )
    ),
    "sns": (
        _Held("sns.models.SNSBackend", "publish", targets.check_publication),
        _Held("sns.models.SNSBackend", "subscribe", targets.check_subscription),
        _Held("sns.models.Subscription", "publish", deliveries.check_subscriber),
        _Held("sns.models.Topic", "publish", rules.forget_sent),
    ),
    "sts": (_Held("sts.responses.TokenResponse", "assume_role", sessions.keep_session),),
    "stepfunctions": (
        _Held(
            "stepfunctions.models.StepFunctionBackend",
            "create_state_machine update_state_machine",
            state_machines.check_definition,
        ),
        *(
            _Held("stepfunctions.responses.StepFunctionResponse", method, check)
            for method, check in (
                ("start_execution", state_machines.start),
                ("stop_execution", state_machines.stop),
                ("describe_execution", state_machines.describe),
                ("describe_state_machine_for_execution", state_machines.describe_machine),
                ("list_executions", state_machines.list_executions),
                ("get_execution_history", state_machines.list_history),
                ("send_task_success send_task_failure send_task_heartbeat", state_machines.answer_task),
            )
        ),
    ),
}
# What else is other than moto has it, once its models are loaded.
_MENDED: dict[str, Callable[[], None]] = {"sqs": queues.install}
# Services that make what others keep.
_MAKERS = {"cloudformation": ("awslambda", "ec2", "events", "iam", "kms", "s3", "sns", "stepfunctions")}

_lock = threading.Lock()
_done: set[str] = set()


def admit(service: str, operation: str) -> None:
    """Before a request goes to a service, by moto's name for it. NotImplementedHere: nothing would be done."""
    services.check_service(service)
    hold(service)
    if service == "s3":
        services.check("s3", operation)


def hold(service: str) -> None:
    """From now on the methods of a service (by moto's name for it) are called once their checks have passed."""
    for name in (service, *_MAKERS.get(service, ())):
        if (name in _HELD or name in _MENDED) and name not in _done:
            with _lock:
                if name not in _done:
                    _install(_HELD.get(name, ()))
                    _MENDED.get(name, _nothing)()
                    _done.add(name)


def _nothing() -> None:
    """What is mended of most services."""


def _install(held: tuple[_Held, ...]) -> None:
    for each in held:
        module, _, name = each.owner.rpartition(".")
        owner = getattr(importlib.import_module(f"moto.{module}"), name)
        for method in each.methods.split():
            setattr(owner, method, _checked(getattr(owner, method), each.check))


def _checked(method: Callable[..., Any], check: Check) -> Callable[..., Any]:
    signature = inspect.signature(method)

    @functools.wraps(method)
    def checked(*arguments: Any, **named: Any) -> Any:
        asked = signature.bind(*arguments, **named)
        try:
            then = check(asked.arguments)
        except deliveries.Unheard:
            return None
        except deliveries.Answered as answered:
            return answered.answer
        result = method(*asked.args, **asked.kwargs)
        if then is not None:
            then(result)
        return result

    return checked
