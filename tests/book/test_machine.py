"""What is said of the machine that made a book."""

from geonb.book import machine


def test_a_machine_is_described_with_what_matters_for_a_rerun():
    table = machine.describe().set_index("name").value
    assert {"Python", "system", "cores", "memory", "torch", "accelerator"} == set(table.index)
    assert int(table.cores) >= 1
    assert table.memory.endswith(" GiB")


def test_the_reference_work_takes_processor_time():
    assert machine.reference_seconds() > 0
