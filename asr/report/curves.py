"""Which charts a run's record gives, and the table of evaluations under them."""

from __future__ import annotations

import math
from xml.etree.ElementTree import Element

from asr.report.charts import Chart, Series, draw, linear_ticks, write_hours, write_value
from asr.report.markup import element, table
from asr.report.record import RunRecord
from asr.score.rates import RateName

RATES: dict[RateName, str] = {
    "wer": "Word error rate",
    "per": "Phone error rate",
    "cer": "Character error rate",
    "fer": "Frame error rate",
}


def dev_charts(run: RunRecord) -> list[Chart]:
    """Errors of both models, one chart per dev subset, all with the same vertical axis of at most 100 %."""
    by, of = (", linear probe", "of a linear rule on ") if run.of_audio_alone else ("", "of ")
    highest = max((error for e in run.evaluations for s in e.errors.values() for error in s.values()), default=0.0)
    charts: list[Chart] = []
    for subset in run.subsets:
        series = [
            Series("teacher", "teacher", *run.dev_curve("teacher", subset), points=True),
            Series("student", "student", *run.dev_curve("student", subset), points=True),
        ]
        charts.append(
            Chart(
                f"{run.rate.upper()} on {subset}{by}",
                f"{RATES[run.rate]} {of}teacher and student on {subset} over hours of audio seen.",
                series,
                top=linear_ticks(min(highest, 1.0), 5)[-1] if highest else 1.0,
            )
        )
    return charts


def representation_charts(run: RunRecord) -> list[Chart]:
    """What a run of audio alone logs: loss, and signs of collapse."""
    return [
        Chart(
            "Loss of audio alone",
            "Training loss on audio without text.",
            [Series("loss", "labeled", *run.curve("loss"))],
            form="number",
        ),
        Chart(
            "Variance",
            "Variance over frames of what is predicted and of the predictions; both near 0 where they have collapsed.",
            [
                Series("targets", "teacher", *run.curve("target_variance")),
                Series("predictions", "student", *run.curve("prediction_variance")),
            ],
            form="number",
        ),
        Chart(
            "Effective rank",
            "Number of directions in which targets vary.",
            [Series("rank", "teacher", *run.curve("rank"))],
            form="number",
        ),
    ]


def training_charts(run: RunRecord) -> list[Chart]:
    """Pseudo-labels, losses and learning rate, as logged while training."""
    labels = run.curve(f"label_{run.rate}")
    return [
        Chart(
            f"{run.rate.upper()} of pseudo-labels",
            f"{RATES[run.rate]} of the teacher's labels against transcripts that training never sees.",
            [Series("pseudo-labels", "pseudo", *labels)],
            top=linear_ticks(min(max(labels[1], default=1.0), 1.0) or 1.0, 5)[-1],
        ),
        Chart(
            "Share of pseudo-labels",
            "Share of pseudo-labels that the filter kept, and share that was empty.",
            [
                Series("kept", "pseudo", *run.curve("labels_kept")),
                Series("empty", "student", *run.curve("labels_empty")),
            ],
            top=1.0,
        ),
        Chart(
            "CTC loss",
            "Training loss on labeled and on pseudo-labeled audio.",
            [
                Series("labeled", "labeled", *run.curve("loss_labeled")),
                Series("pseudo-labeled", "pseudo", *run.curve("loss_unlabeled")),
            ],
            form="number",
            logarithmic=True,
        ),
        Chart(
            "Learning rate",
            "Learning rate over hours of audio seen.",
            [Series("learning rate", "labeled", *run.curve("lr"))],
            form="number",
        ),
    ]


def _evaluation_table(run: RunRecord) -> Element:
    columns = [(model, subset) for subset in run.subsets for model in ("student", "teacher")]
    rows = []
    for evaluation in run.evaluations:
        errors = [evaluation.errors.get(model, {}).get(subset, math.nan) for model, subset in columns]
        cells = ["–" if math.isnan(error) else write_value(error, "percent") for error in errors]
        rows.append([write_hours(evaluation.hours), str(evaluation.step), *cells])
    head = ["audio seen", "step", *(f"{subset} {model}" for model, subset in columns)]
    return element(
        "details",
        element("summary", f"All {len(run.evaluations)} evaluations as numbers"),
        table(head, rows, class_="numbers"),
    )


def draw_curves(run: RunRecord) -> list[Element]:
    """Charts side by side, with a sentence for what there is nothing to draw of."""
    charts = [
        c
        for c in [*dev_charts(run), *representation_charts(run), *training_charts(run)]
        if any(s.hours for s in c.series)
    ]
    if not charts:
        return [element("p", "Nothing has been logged yet.", class_="missing")]
    start = run.pseudo_start
    parts: list[Element] = []
    if not run.evaluations:
        parts.append(element("p", "No evaluation on dev has been logged yet.", class_="missing"))
    if run.of_audio_alone:
        sentence = "Trained on audio alone: what is shown of dev is how well a linear rule reads what was learnt."
        parts.append(element("p", sentence, class_="missing"))
    elif start is None:
        sentence = "No pseudo-labels were used up to here: the curves are of labeled audio alone."
        parts.append(element("p", sentence, class_="missing"))
    elif not run.curve(f"label_{run.rate}")[0]:
        rate = run.rate.upper()
        sentence = f"The {rate} of pseudo-labels is unknown: the unlabeled audio has no transcripts to compare with."
        parts.append(element("p", sentence, class_="missing"))
    parts.append(element("div", *(draw(chart, run.hours, start) for chart in charts), class_="charts"))
    if run.evaluations:
        parts.append(_evaluation_table(run))
    return parts
