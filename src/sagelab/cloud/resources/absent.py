"""Resources that the local cloud never has: a list of them is empty, and one by its name is not found.

SDKs ask for such lists while they clean up, and the true answer is "none". Which operations these are follows from
AWS's model: a List of one kind of resource, of which this cloud makes none.
"""

from __future__ import annotations

from botocore.model import OperationModel

from sagelab import catalog
from sagelab.cloud.errors import ResourceNotFound, ValidationException
from sagelab.cloud.resources.call import Call, Handler, Params

# Of these every account of AWS's has some, which nobody made there: "none" would not be true.
OF_AWS = frozenset(
    "ListHubs ListHubContents ListHubContentVersions ListLabelingJobsForWorkteam ListLineageGroups"
    " ListModelMetadata ListResourceCatalogs".split()
)


def find(model: OperationModel) -> Handler | None:
    """What answers an operation that nobody owns; None where "none" is not the true answer.

    The handler raises ResourceNotFound where a request names what the list would be of.
    """
    name = str(model.name)
    if not name.startswith("List") or name in OF_AWS or catalog.of_operation(name):
        return None
    lists = [member for member, shape in model.output_shape.members.items() if shape.type_name == "list"]
    owners = _owners(model)
    if len(lists) != 1 or not set(model.input_shape.required_members) <= set(owners):
        return None

    def answer(call: Call) -> Params:
        if any(call.params.get(member) for member in owners):
            raise ResourceNotFound("Requested resource not found.")
        if call.params.get("NextToken"):  # of no page that was ever told
            raise ValidationException("The next token is invalid.")
        return {lists[0]: []}

    return answer


def _owners(model: OperationModel) -> list[str]:
    """The members of a request that name one resource, of a kind that is never here: AWS would not find it."""
    if "ResourceNotFound" not in (error.name for error in model.error_shapes):
        return []
    ours, described = {kind.stem for kind in catalog.KINDS}, set(model.service_model.operation_names)
    stems = {member: member.removesuffix("Name").removesuffix("Arn") for member in model.input_shape.members}
    return [
        member for member, stem in stems.items() if stem not in (member, *ours) and f"Describe{stem}" in described
    ]
