"""Columns in sqlglot's trees, and in SQLAlchemy's objects.

Owns: `column`, `type_of`, `default_of`, `read_type`, `sqlalchemy_column`, `sqlalchemy_type`,
`sqlalchemy_default`. Promises: the same type is read alike from SQL, from SQLAlchemy and from what the
database says; one that sqlglot does not know goes by its first word.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Column as SqlalchemyColumn
from sqlalchemy import Computed, ForeignKey, Identity
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.engine.interfaces import Dialect as SqlalchemyDialect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CheckConstraint, DefaultClause
from sqlalchemy.types import TypeEngine
from sqlglot import exp

from podwork_migrations.lint.column import Column, ColumnType, Default
from podwork_migrations.lint.dialect import Dialect
from podwork_migrations.lint.reading.grammar import parse

_UNSIGNED = {
    "utinyint": "tinyint", "usmallint": "smallint", "umediumint": "mediumint", "uint": "int",
    "ubigint": "bigint", "udecimal": "decimal", "udouble": "double",
}  # fmt: skip
_ALIKE = {
    "timestamptz": "timestamp", "timestampltz": "timestamp", "boolean": "tinyint", "nvarchar": "varchar",
    "nchar": "char", "numeric": "decimal", "integer": "int", "real": "double", "jsonb": "json",
}  # fmt: skip
_WITHOUT_LENGTH = (
    "tinyint",
    "smallint",
    "mediumint",
    "int",
    "bigint",
    "float",
    "double",
    "year",
    "text",
    "blob",
)
_NOW = {"now", "current_timestamp", "localtime", "localtimestamp"}


def column(tree: exp.ColumnDef) -> Column:
    """Return a column as `ADD COLUMN` or `CREATE TABLE` states it."""
    kinds = [constraint.kind for constraint in tree.args.get("constraints") or () if constraint.kind]
    found = Column(tree.name, type_of(tree))
    for kind in kinds:
        if isinstance(kind, exp.NotNullColumnConstraint):
            found = found._replace(nullable=bool(kind.args.get("allow_null")))
        elif isinstance(kind, exp.DefaultColumnConstraint):
            found = found._replace(default=default_of(kind.this))
        elif isinstance(kind, exp.ComputedColumnConstraint):
            found = found._replace(generated="stored" if kind.args.get("persisted") else "virtual")
        elif isinstance(kind, exp.AutoIncrementColumnConstraint):
            found = found._replace(auto_increment=True)
        elif isinstance(kind, exp.PrimaryKeyColumnConstraint):
            found = found._replace(primary=True, nullable=False)
        elif isinstance(kind, exp.UniqueColumnConstraint):
            found = found._replace(unique=True)
        elif isinstance(kind, exp.Reference):
            referred = kind.find(exp.Table)
            found = found._replace(references=referred.name if referred else "")
        elif isinstance(kind, exp.CheckColumnConstraint):
            found = found._replace(checked=True)
    return found


def type_of(tree: exp.ColumnDef) -> ColumnType:
    """Return a column's type."""
    kind = tree.args.get("kind")
    if not isinstance(kind, exp.DataType):
        return ColumnType("")
    name = kind.this.value.lower() if hasattr(kind.this, "value") else str(kind.this).lower()
    unsigned = name in _UNSIGNED
    base = _ALIKE.get(name, _UNSIGNED.get(name, name))
    charset = tree.find(exp.CharacterSetColumnConstraint)
    collation = tree.find(exp.CollateColumnConstraint)
    found = ColumnType(
        base,
        unsigned=unsigned,
        charset=charset.name.lower() if charset else None,
        collation=collation.this.name.lower() if collation else None,
    )
    if base in ("enum", "set"):
        return found._replace(values=tuple(value.name for value in kind.expressions))
    numbers = [int(param.name) for param in kind.expressions if param.name.isdigit()]
    if base == "decimal":
        return found._replace(length=(numbers or [10])[0], places=(numbers[1:] or [0])[0])
    if base in _WITHOUT_LENGTH:
        return found
    if base in ("datetime", "timestamp", "time"):
        return found._replace(length=(numbers or [0])[0])
    usual = 1 if base in ("char", "binary", "bit") else None
    return found._replace(length=numbers[0] if numbers else usual)


def default_of(tree: exp.Expr) -> Default:
    """Return what a default is made of."""
    inner = tree
    while isinstance(inner, exp.Paren | exp.Neg):
        inner = inner.this
    if isinstance(inner, exp.Null):
        return Default.NONE
    if isinstance(
        inner, exp.Literal | exp.Boolean | exp.HexString | exp.BitString | exp.National | exp.Introducer
    ):
        return Default.CONSTANT
    is_now = isinstance(inner, exp.CurrentTimestamp | exp.Localtime | exp.Localtimestamp)
    is_now = is_now or inner.name.lower() in _NOW
    return Default.CONSTANT if is_now and not isinstance(tree, exp.Neg) else Default.EXPRESSION


@cache
def read_type(text: str) -> ColumnType:
    """Return a type from its text, as `information_schema` or a compiler writes it."""
    tree = parse(f"CREATE TABLE t (c {text})", Dialect.MARIADB)[0]
    found = tree.find(exp.ColumnDef) if isinstance(tree, exp.Expression) else None
    return (
        type_of(found)
        if found is not None
        else ColumnType(text.partition("(")[0].split(maxsplit=1)[0].lower())
    )


def sqlalchemy_type(type_: TypeEngine[Any] | type[TypeEngine[Any]], dialect: Dialect) -> ColumnType:
    """Return a type of SQLAlchemy's as the database gets it; "" for one that has no text there."""
    instance = type_() if isinstance(type_, type) else type_
    try:
        return read_type(instance.compile(_sqlalchemy(dialect)))
    except SQLAlchemyError:  # a VARCHAR without a length, for example: Alembic refuses it, too
        return ColumnType("")


def sqlalchemy_column(given: SqlalchemyColumn[Any], dialect: Dialect) -> Column:
    """Return a column of SQLAlchemy's."""
    computed = given.computed
    return Column(
        given.name,
        sqlalchemy_type(given.type, dialect),
        nullable=bool(given.nullable) and not given.primary_key,
        default=sqlalchemy_default(given.server_default, dialect),
        generated=None if computed is None else "stored" if computed.persisted else "virtual",
        auto_increment=given.autoincrement is True or isinstance(given.server_default, Identity),
        primary=bool(given.primary_key),
        unique=bool(given.unique),
        indexed=bool(given.index),
        references=next((referred(key) for key in given.foreign_keys), None),
        checked=any(isinstance(constraint, CheckConstraint) for constraint in given.constraints),
    )


def sqlalchemy_default(given: object, dialect: Dialect) -> Default:
    """Return what a `server_default` is made of, as an argument or as SQLAlchemy keeps it."""
    if given is None or isinstance(given, Computed):
        return Default.NONE
    argument = given.arg if isinstance(given, DefaultClause) else given
    if isinstance(argument, str):
        return Default.CONSTANT
    if not hasattr(argument, "compile"):  # FetchedValue: the database makes it, by means of its own
        return Default.EXPRESSION
    text = str(argument.compile(dialect=_sqlalchemy(dialect), compile_kwargs={"literal_binds": True}))
    tree = parse(f"CREATE TABLE t (c INT DEFAULT {text})", dialect)[0]
    found = tree.find(exp.DefaultColumnConstraint) if isinstance(tree, exp.Expression) else None
    return default_of(found.this) if found is not None else Default.EXPRESSION


def referred(key: ForeignKey) -> str:
    """Return the table that a foreign key of SQLAlchemy's leads to."""
    return key.target_fullname.split(".")[-2]


@cache
def _sqlalchemy(dialect: Dialect) -> SqlalchemyDialect:
    return sqlite.dialect() if dialect is Dialect.SQLITE else mysql.dialect()
