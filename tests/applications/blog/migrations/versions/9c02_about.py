"""a text about users

Revision ID: 9c02
Revises: 77be
"""

import sqlalchemy as sa
from alembic import op

revision = "9c02"
down_revision = "77be"
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table("user", schema=None) as batch_op:
        batch_op.add_column(sa.Column("about", sa.String(length=140), nullable=True))


def downgrade():
    with op.batch_alter_table("user", schema=None) as batch_op:
        batch_op.drop_column("about")
