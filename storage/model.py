"""The Peewee models: what the store's statements are made from."""

from peewee import BigIntegerField, BlobField, CompositeKey, Model, TextField


class FlowSumRow(Model):
    """A key's totals. ``records`` is how many flow records were merged into them."""

    hour = BigIntegerField()
    src_app = TextField()
    dest_app = TextField()
    vpc_id = TextField()
    records = BigIntegerField()
    bytes_rx = BigIntegerField()
    bytes_tx = BigIntegerField()

    class Meta:
        """Hour first: a question is about an hour, and an hour's keys then lie together."""

        table_name = "flow_sum"
        primary_key = CompositeKey("hour", "src_app", "dest_app", "vpc_id")


SUM_COLUMNS = ", ".join(field.name for field in FlowSumRow._meta.sorted_fields)
"""The columns of a FlowSum, in its order."""


class HourCount(Model):
    """An hour's totals, kept so that no question has to add them up: in one row, or in several that add up.

    ``flows`` is how many sums it has, and ``writes`` a number that each write raises; the others are in two parts each,
    see storage.totals.
    """

    hour = BigIntegerField(primary_key=True)
    flows = BigIntegerField()
    records_low = BigIntegerField()
    records_high = BigIntegerField()
    bytes_rx_low = BigIntegerField()
    bytes_rx_high = BigIntegerField()
    bytes_tx_low = BigIntegerField()
    bytes_tx_high = BigIntegerField()
    writes = BigIntegerField()

    class Meta:
        """On SQLite triggers keep it; on PostgreSQL the upsert does, in one of several rows an hour."""

        table_name = "hour_count"


class DeliveryRow(Model):
    """A batch's key in its sender's scope, a hash of what was sent, and the answer, stored at so many epoch seconds."""

    scope = TextField()
    key = TextField()
    fingerprint = BlobField()
    answer = BlobField()
    stored_at = BigIntegerField()

    class Meta:
        """Kept for IDEMPOTENCY_HOURS."""

        table_name = "delivery"
        primary_key = CompositeKey("scope", "key")
