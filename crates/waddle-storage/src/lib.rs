//! libSQL: the server database, one database per waddle, migrations, repositories.
