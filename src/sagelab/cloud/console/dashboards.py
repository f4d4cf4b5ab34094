"""What a dashboard's visuals show: the rows that its data sets have taken in, as each visual asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import botocore.exceptions

from sagelab.cloud import visuals
from sagelab.cloud.console.calls import CallRefused
from sagelab.cloud.spice import Empty, TooLong

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud

Document = dict[str, Any]


def draw(cloud: Cloud, name: str) -> Document:
    """A dashboard with what each visual shows: {name, sheets: [{name, visuals}], data: {identifier: facts}}.

    CallRefused: there is none of this name. A visual that cannot be drawn has an error in its place.
    """
    client = cloud.client("quicksight", by="")
    try:
        found = client.describe_dashboard_definition(AwsAccountId=cloud.account, DashboardId=name)
    except botocore.exceptions.ClientError as error:
        raise CallRefused(error.response["Error"]["Code"], error.response["Error"]["Message"]) from None
    except botocore.exceptions.ParamValidationError as error:
        raise CallRefused("ValidationException", str(error)) from None
    definition = found["Definition"]
    arns = {one["Identifier"]: one["DataSetArn"] for one in definition["DataSetIdentifierDeclarations"]}
    sheets = [
        {
            "name": sheet.get("Title") or sheet.get("Name") or sheet["SheetId"],
            "description": sheet.get("Description"),
            "visuals": [
                _visual(cloud, arns, visual, visuals.elements_of(sheet)) for visual in sheet.get("Visuals", [])
            ],
        }
        for sheet in definition.get("Sheets", [])
    ]
    return {
        "name": found["Name"],
        "sheets": sheets,
        "data": {key: _facts(cloud, arn) for key, arn in arns.items()},
    }


def _visual(cloud: Cloud, arns: dict[str, str], visual: Document, places: list[Document]) -> Document:
    ((kind, one),) = visual.items()
    chart = one.get("ChartConfiguration", {})
    told = {
        "id": one["VisualId"],
        "kind": kind,
        "title": _text(one, "Title"),
        "subtitle": _text(one, "Subtitle"),
        "words": one.get("VisualContentAltText"),
        "stacked": chart.get("BarsArrangement") == "STACKED",
        "lying": chart.get("Orientation", "HORIZONTAL") == "HORIZONTAL" and kind == "BarChartVisual",
        "place": next((place for place in places if place["ElementId"] == one["VisualId"]), None),
    }
    try:
        question = visuals.read(visual)
        told |= {"data": question.data, "dimensions": len(question.dimensions)}
        return told | cloud.spice.ask(arns[question.data], question)
    except (Empty, TooLong, visuals.Refused) as error:
        return told | {"error": str(error)}


def _text(one: Document, member: str) -> str:
    """A title, unless it is hidden."""
    title = one.get(member, {})
    return "" if title.get("Visibility") == "HIDDEN" else str(title.get("FormatText", {}).get("PlainText", ""))


def _facts(cloud: Cloud, arn: str) -> Document:
    """The data set's name in its ARN, and the query by which it has its rows."""
    try:
        return {"id": arn.partition("/")[2], **cloud.spice.facts(arn)}
    except Empty:
        return {"id": arn.partition("/")[2]}
