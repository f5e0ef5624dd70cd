"""A lens of one's own has the rights of ours: names, a description, several values, a store."""

import numpy as np
import pytest
from common import all_masks

import spexjax as sx


def majority(parameters, masks):
    TRACED.append(masks.shape)
    return masks.sum(1) > 2


TRACED: list[tuple[int, ...]] = []


class Votes(sx.Ablation):
    feature_names, fingerprint = ("ann", "bob", "cy", "dan", "eve"), "votes"

    def plan(self, masks, *, devices=1, shrink=1):
        return sx.ablation.plan_rows(majority, masks, devices=devices, shrink=shrink)

    def describe(self):
        return {"question": "is there a majority?"}


class Two(Votes):
    num_values, fingerprint = 2, "two"

    def plan(self, masks, *, devices=1, shrink=1):
        def apply(_, rows):
            return np.stack([rows.sum(1), rows[:, 0]], 1)

        return sx.ablation.plan_rows(apply, masks, batch_size=4, compiled=False)


def test_it_is_explained_described_and_stored(tmp_path, key):
    store = sx.Store(tmp_path)
    explanation = sx.explain(Votes(), budget=32, key=key, store=store)
    assert explanation.feature_names == Votes.feature_names
    assert explanation.provenance["question"] == "is there a majority?"
    np.testing.assert_array_equal(explanation.predict(all_masks(5)), all_masks(5).sum(1) > 2)
    again = sx.explain(Votes(), budget=32, key=key, store=store)
    assert again.provenance["reused"] == 32


def test_a_second_set_of_masks_compiles_nothing():
    sx.evaluate(Votes(), all_masks(5)[:13])
    known = len(TRACED)
    sx.evaluate(Votes(), all_masks(5)[20:])
    assert len(TRACED) == known > 0


def test_its_description_does_not_replace_what_the_explanation_says(key):
    class Boasting(Votes):
        def describe(self):
            return {"budget": 1, "ablations": 1}

    provenance = sx.explain(Boasting(), budget=32, key=key).provenance
    assert provenance["budget"] == provenance["ablations"] == 32


def test_it_may_give_several_values(tmp_path, key):
    values = sx.evaluate(Two(), all_masks(5), store=sx.Store(tmp_path))
    np.testing.assert_array_equal(values, np.stack([all_masks(5).sum(1), all_masks(5)[:, 0]], 1))
    with pytest.raises(ValueError, match=r"gives 2 values per mask: sx\.explain_each"):
        sx.explain(Two(), budget=32, key=key)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"feature_names": ()}, r"feature_names of Changed must be one or more names, in a tuple or list; got \(\)"),
        ({"feature_names": "abc"}, "feature_names of Changed must be one or more names, .* got 'abc'"),
        ({"fingerprint": 5}, r"fingerprint of Changed must be .*; got 5\. Use sx\.ablation\.unnamed\(\)"),
        ({"fingerprint": ""}, "fingerprint of Changed must be a string that UTF-8 can hold; got ''"),
        ({"fingerprint": "half \ud800"}, "fingerprint of Changed must be a string that UTF-8 can hold"),
        ({"num_values": "2"}, "num_values of Changed must be None or a whole number, 1 or more; got '2'"),
        ({"num_values": 0}, "num_values of Changed must be None or a whole number"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_evaluated(change, message, key):
    changed = type("Changed", (Votes,), change)()
    for use in (lambda: sx.explain(changed, budget=32, key=key), lambda: sx.evaluate(changed, all_masks(5))):
        with pytest.raises(ValueError, match=message):
            use()


@pytest.mark.parametrize("notes", [None, ["a"], {"function": object()}])
def test_a_description_that_cannot_be_saved_is_named_before_anything_is_evaluated(notes, key):
    asked = []
    change = {"describe": lambda self: notes, "plan": lambda self, masks, **options: asked.append(masks)}
    with pytest.raises(ValueError, match=r"describe\(\) of Changed"):
        sx.explain(type("Changed", (Votes,), change)(), budget=32, key=key)
    assert not asked


def test_names_of_any_kind_become_strings(key, tmp_path):
    explanation = sx.explain(type("Numbered", (Votes,), {"feature_names": range(5)})(), budget=32, key=key)
    assert explanation.feature_names == ("0", "1", "2", "3", "4")
    explanation.save(tmp_path)
    assert "3" in str(explanation.interactions("SV"))


def test_a_class_without_a_plan_is_none():
    class Lacking(sx.Ablation):
        feature_names, fingerprint = ("a",), "lacking"

    with pytest.raises(TypeError, match="plan"):
        Lacking()
    with pytest.raises(ValueError, match=r"dict is not an ablation; .* or derive its class from sx\.Abl"):
        sx.ablation.checked_ablation({})


def without_slots(plan):
    batches = [b._replace(slots=np.where(np.arange(len(b.slots)) < 3, b.slots, -1)) for b in plan.batches]
    return plan._replace(batches=iter(batches))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plan: None, "plan of an ablation must return an sx.Plan; got NoneType"),
        (lambda plan: plan._replace(owner=plan.owner[:5]), r"each of the 32 masks one of the 32 .* of shape \(5,\)"),
        (lambda plan: plan._replace(owner=plan.owner + 3), r"one of the 32 evaluations, .* from 3 to 34"),
        (lambda plan: plan._replace(owner=plan.owner - 1), "from -1 to 30"),
        (without_slots, "leave 29 of 32 masks without a value"),
        (
            lambda plan: plan._replace(batches=(b._replace(slots=b.slots + 5) for b in plan.batches)),
            "slots of a batch must be a row of evaluations, of which there are 32, .* from 5 to 36",
        ),
        (lambda plan: plan._replace(owner=plan.owner > 0), "owner of a plan .* got bool of shape"),
        (lambda plan: plan._replace(owner=None), "owner of a plan .* got object of shape"),
        (lambda plan: plan._replace(num_evaluations="32"), "owner of a plan"),
        (
            lambda plan: plan._replace(apply=[]),
            r"apply of a plan must be a function, or an object with a hash; got \[\]",
        ),
        (lambda plan: plan._replace(apply=type("Sum", (), {"__call__": sum, "__hash__": None})()), "apply of a plan"),
        (lambda plan: plan._replace(batches=None), "an iterator of sx.Batch; got NoneType"),
        (lambda plan: plan._replace(batches=[tuple(b) for b in plan.batches]), "sx.Batch objects; got tuple"),
        (
            lambda plan: plan._replace(batches=[b._replace(slots=b.slots * 1.0) for b in plan.batches]),
            "slots of a batch .* got float64 of shape",
        ),
    ],
)
def test_a_plan_that_leaves_masks_without_a_value_is_refused(change, message, unchecked):
    class Changed(Votes):
        def plan(self, masks, *, devices=1, shrink=1):
            return change(super().plan(masks, devices=devices, shrink=shrink))

    with pytest.raises(ValueError, match=message):
        sx.evaluate(Changed(), all_masks(5))


def test_owner_and_slots_may_be_lists(unchecked):
    class Lists(Votes):
        def plan(self, masks, *, devices=1, shrink=1):
            plan = super().plan(masks)
            batches = [b._replace(slots=b.slots.tolist()) for b in plan.batches]
            return plan._replace(owner=plan.owner.tolist(), batches=batches)

    np.testing.assert_array_equal(sx.evaluate(Lists(), all_masks(5)), all_masks(5).sum(1) > 2)


@pytest.mark.parametrize(("m", "devices", "shrink"), [(1, 1, 1), (7, 1, 1), (300, 1, 2), (300, 8, 1)])
def test_rows_are_each_answered_once(m, devices, shrink):
    rows = np.arange(m)
    plan = sx.ablation.plan_rows(lambda _, r: r, rows, batch_size=64, devices=devices, shrink=shrink)
    batches = list(plan.batches)
    assert len({len(b.slots) for b in batches}) == 1
    assert len(batches[0].slots) <= 64 // shrink
    slots = np.concatenate([b.slots for b in batches])
    inputs = np.concatenate([b.inputs for b in batches])
    np.testing.assert_array_equal(inputs[slots >= 0], slots[slots >= 0])
    np.testing.assert_array_equal(np.sort(slots[slots >= 0]), rows)
    assert sum(b.work for b in batches) == m
