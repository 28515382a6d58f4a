"""What a value of a widely used library is when several items reach the same one: by type.

The form is that of `stdlib_types`. The libraries are not imported.
"""

from __future__ import annotations

HOLDINGS = """
safe threads | cannot change | https://numpy.org/doc/stable/reference/arrays.scalars.html
    numpy.generic numpy.dtype numpy.ufunc numpy._ArrayFunctionDispatcher@hidden pandas.Timestamp
    pandas.Timedelta pandas.Period pandas.Interval regex.Pattern _regex.Pattern _regex.Match
    pyarrow.Table pyarrow.RecordBatch pyarrow.Array pyarrow.ChunkedArray pyarrow.Schema
    pyarrow.DataType shapely.Geometry numba.core.registry.CPUDispatcher
safe threads | takes the locks of its handlers
  | https://loguru.readthedocs.io/en/stable/overview.html
    loguru._logger.Logger

lock threads | is made to be shared by threads
  | https://py-filelock.readthedocs.io/en/latest/concepts.html
    filelock.BaseFileLock portalocker.Lock

handle | keeps its connections and cookies, and does not say that threads may share it
  | https://requests.readthedocs.io/en/latest/user/advanced/#session-objects
    requests.Session requests.adapters.BaseAdapter requests.Response requests_html.HTMLSession
    httplib2.Http mechanize.Browser cloudscraper.CloudScraper
handle threads | keeps connections, which threads may share and forked copies may not
  | https://urllib3.readthedocs.io/en/stable/advanced-usage.html
    urllib3.PoolManager urllib3.connectionpool.HTTPConnectionPool
handle threads | keeps connections, which threads may share and forked copies may not
  | https://github.com/encode/httpx/pull/2380
    httpx.Client
handle | belongs to one event loop | https://docs.aiohttp.org/en/stable/client_reference.html
    aiohttp.ClientSession httpx.AsyncClient asyncpg.Connection asyncpg.Pool
handle threads | is a client of AWS, which threads may share and forked copies may not
  | https://docs.aws.amazon.com/boto3/latest/guide/clients.html
    botocore.client.BaseClient boto3.s3.transfer.S3Transfer s3transfer.manager.TransferManager
handle | is not to be shared by threads
  | https://docs.aws.amazon.com/boto3/latest/guide/resources.html
    boto3.Session botocore.session.Session boto3.resources.base.ServiceResource
handle | is one connection, whose transaction all who use it have in common
  | https://www.psycopg.org/docs/usage.html#thread-and-process-safety
    psycopg2.extensions.connection psycopg.Connection
handle | is a session, or a session for each thread
  | https://docs.sqlalchemy.org/en/20/orm/contextual.html
    sqlalchemy.orm.scoped_session
handle | is a database connection | https://peps.python.org/pep-0249/#threadsafety
    psycopg2.extensions.cursor psycopg.Cursor psycopg.AsyncConnection
    pymysql.connections.Connection pymysql.cursors.Cursor MySQLdb.connections.Connection
    mysql.connector.MySQLConnection mysql.connector.abstracts.MySQLConnectionAbstract
    pyodbc.Connection pyodbc.Cursor oracledb.Connection oracledb.Cursor cx_Oracle.Connection
    duckdb.DuckDBPyConnection _duckdb.DuckDBPyConnection duckdb.DuckDBPyRelation
    snowflake.connector.SnowflakeConnection peewee.Database aiosqlite.Connection
    clickhouse_driver.Client cassandra.cluster.Session neo4j.Session ldap3.Connection
    apsw.Connection
handle threads | keeps a pool of connections, which threads may share and forked copies may not
  | https://docs.sqlalchemy.org/en/20/core/pooling.html
    sqlalchemy.Engine sqlalchemy.pool.Pool psycopg_pool.ConnectionPool
    psycopg2.pool.ThreadedConnectionPool
handle | is for one thread at a time | https://docs.sqlalchemy.org/en/20/orm/session_basics.html
    sqlalchemy.Connection sqlalchemy.orm.Session sqlalchemy.engine.Result
handle threads | keeps connections, which threads may share and forked copies may not
  | https://redis.readthedocs.io/en/stable/advanced_features.html
    redis.Redis redis.connection.ConnectionPool pymemcache.client.hash.HashClient
handle | is for one thread | https://redis.readthedocs.io/en/stable/advanced_features.html
    redis.client.PubSub redis.client.Pipeline pymemcache.client.base.Client memcache.Client
handle threads | keeps connections, which threads may share and forked copies may not
  | https://pymongo.readthedocs.io/en/stable/faq.html
    pymongo.MongoClient pymongo.database.Database pymongo.synchronous.database.Database
    pymongo.collection.Collection pymongo.synchronous.collection.Collection
    elasticsearch.Elasticsearch opensearchpy.OpenSearch
handle | is an open file of the HDF5 library
  | https://docs.h5py.org/en/stable/high/file.html#multi-threading
    numpy.lib.npyio.NpzFile h5py.HLObject h5py.h5f.FileID h5py.h5d.DatasetID tables.File
    tables.Node pandas.HDFStore netCDF4.Dataset netCDF4.Variable pyhdf.SD.SD
    scipy.io.netcdf_file
handle threads | is an open database file, which a forked copy must not use
  | https://lmdb.readthedocs.io/en/release/#environment-class
    lmdb.Environment builtins.Environment@hidden
handle | is for one thread | https://lmdb.readthedocs.io/en/release/#transaction-class
    lmdb.Transaction lmdb.Cursor builtins.Transaction@hidden builtins.Cursor@hidden plyvel.DB
    leveldb.LevelDB rocksdb.DB
handle | is a socket that must not be used by several threads
  | https://pyzmq.readthedocs.io/en/stable/api/zmq.html#zmq.Socket
    zmq.Socket zmq.Poller
handle threads | may be shared by threads, and forked copies must not use it
  | https://pyzmq.readthedocs.io/en/stable/api/zmq.html#zmq.Context
    zmq.Context
handle threads | is a channel: threads may share it, forked copies may not
  | https://developers.google.com/python/docs/reference/google-developer-knowledge/latest/multiprocessing
    grpc.Channel grpc._channel.Channel grpc._channel._UnaryUnaryMultiCallable
    google.cloud.client.Client google.cloud.storage.Client
handle | is a connection
  | https://docs.paramiko.org/en/stable/api/transport.html
    paramiko.SSHClient paramiko.Transport
handle | is a connection | https://docs.paramiko.org/en/stable/api/sftp.html
    paramiko.SFTPClient paramiko.Channel pysftp.Connection fabric.Connection pexpect.spawn
    serial.Serial websocket.WebSocket pika.BlockingConnection kafka.KafkaConsumer
handle threads | sends in threads of its own, which a forked copy has not
  | https://kafka-python.readthedocs.io/en/master/apidoc/KafkaProducer.html
    kafka.KafkaProducer confluent_kafka.Producer
handle | is an open camera, film or window
  | https://docs.opencv.org/4.x/d8/dfe/classcv_1_1VideoCapture.html
    cv2.VideoCapture cv2.VideoWriter imageio.core.format.Format.Reader
    imageio.core.v3_plugin_api.PluginV3 av.container.Container pyaudio.PyAudio
handle | keeps what it has compressed so far
  | https://python-zstandard.readthedocs.io/en/latest/concepts.html
    zstandard.ZstdCompressor zstandard.ZstdDecompressor
handle | may still read from its file when it is first used
  | https://pillow.readthedocs.io/en/stable/reference/open_files.html
    PIL.ImageFile.ImageFile PIL.ImageSequence.Iterator
handle | drives one browser | https://www.selenium.dev/documentation/webdriver/
    selenium.webdriver.Remote selenium.webdriver.remote.webdriver.WebDriver
    selenium.webdriver.remote.webelement.WebElement playwright.sync_api.Page
    playwright.sync_api.Browser
handle | is an open dataset with one position
  | https://rasterio.readthedocs.io/en/stable/topics/concurrency.html
    rasterio.DatasetBase fiona.Collection osgeo.gdal.Dataset osgeo.ogr.DataSource xarray.Dataset
    xarray.DataArray pysam.AlignmentFile pysam.libcalignmentfile.AlignmentFile pysam.FastaFile
    fitz.Document pymupdf.Document openpyxl.Workbook pypdf.PdfReader pdfplumber.pdf.PDF
    pyarrow.NativeFile pyarrow.parquet.ParquetFile pyarrow.parquet.ParquetWriter
    tensorflow.Session astropy.io.fits.HDUList trimesh.Scene
handle | keeps connections, and does not say that threads may share it
  | https://github.com/openai/openai-python
    openai.OpenAI openai._base_client.SyncAPIClient anthropic._base_client.SyncAPIClient

generator | is one random generator: its next number depends on who drew before
  | https://numpy.org/doc/stable/reference/random/multithreading.html
    numpy.random.Generator numpy.random.RandomState numpy.random.BitGenerator
    numpy.random.SeedSequence
generator | is one random generator: its next number depends on who drew before
  | https://docs.pytorch.org/docs/stable/generated/torch.Generator.html
    torch.Generator faker.Faker faker.generator.Generator

local threads | holds something else in each thread or context
  | https://werkzeug.palletsprojects.com/en/stable/local/
    werkzeug.local.Local werkzeug.local.LocalProxy asgiref.local.Local

mutable | may change while others read it
  | https://numpy.org/doc/stable/reference/thread_safety.html
    numpy.ndarray numpy.nditer numpy.memmap
mutable | may change while others read it, and is not safe even for reading
  | https://pandas.pydata.org/docs/user_guide/gotchas.html#thread-safety
    pandas.DataFrame pandas.Series pandas.Index pandas.core.groupby.GroupBy
    pandas.core.groupby.groupby.BaseGroupBy
mutable | may change while others read it
  | https://docs.pola.rs/api/python/stable/reference/dataframe/index.html
    polars.DataFrame polars.Series
mutable | may change while others read it
  | https://docs.scipy.org/doc/scipy/tutorial/thread_safety.html
    scipy.sparse.spmatrix scipy.sparse.sparray
mutable | may change while others read it
  | https://docs.pytorch.org/docs/stable/notes/multiprocessing.html
    torch.Tensor torch.nn.Module
mutable | may change while others read it | https://www.tensorflow.org/guide/variable
    tensorflow.Variable
mutable | may change while others read it
  | https://pillow.readthedocs.io/en/stable/releasenotes/11.0.0.html
    PIL.Image.Image
mutable | may change while others read it, and changes when it is drawn
  | https://matplotlib.org/stable/users/faq.html#work-with-threads
    matplotlib.artist.Artist
mutable | may change while others read it
  | https://networkx.org/documentation/stable/reference/classes/graph.html
    networkx.Graph
mutable | may change while others read it | https://lxml.de/FAQ.html#threading
    lxml.etree._Element lxml.etree._ElementTree
mutable | may change while others read it
  | https://www.crummy.com/software/BeautifulSoup/bs4/doc/
    bs4.BeautifulSoup bs4.element.PageElement
mutable | changes when it learns
  | https://scikit-learn.org/stable/developers/develop.html
    sklearn.base.BaseEstimator
mutable | is not for several threads
  | https://pyproj4.github.io/pyproj/stable/advanced_examples.html
    pyproj.Transformer
mutable | learns new words while it reads | https://spacy.io/usage/linguistic-features
    spacy.language.Language
"""
