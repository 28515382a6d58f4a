"""The packages that talk to services, which limit the number of connections."""

from __future__ import annotations

#: Their names.
NETWORK = {
    *("socket", "_socket", "ssl", "urllib", "http", "smtplib", "ftplib", "imaplib", "poplib"),
    *("xmlrpc", "requests", "httpx", "aiohttp", "urllib3", "httplib2", "pycurl", "boto3"),
    *("botocore", "google", "azure", "grpc", "paramiko", "redis", "pymongo", "psycopg"),
    *("psycopg2", "psycopg_pool", "pymysql", "MySQLdb", "mysql", "oracledb", "cx_Oracle"),
    *("pyodbc", "sqlalchemy", "ldap3", "pika", "kafka", "elasticsearch", "cassandra"),
    *("websockets", "websocket", "openai", "anthropic", "django"),
}
