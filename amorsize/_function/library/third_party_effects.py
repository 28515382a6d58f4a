"""What functions of widely used libraries do beside computing: more data of `library_effects`.

The form is that of `stdlib_effects`. A function may be listed by the name under which its library
publishes it, wherever in the library it is written. The libraries are not imported.
"""

from __future__ import annotations

UNKNOWN = """
    numpy.ufunc.__call__ numpy.vectorize.* numpy.load numpy.vectorize numpy.frompyfunc
    numpy.apply_along_axis numpy.fromfunction numpy.piecewise numpy.seterrcall numpy.geterrcall
    numpy.setbufsize numpy.f2py.* numpy.testing.* numpy.distutils.* numpy.ctypeslib.*
    numpy.memmap pandas.DataFrame.apply pandas.Series.apply pandas.Series.map
    pandas.DataFrame.pipe pandas.DataFrame.to_sql pandas.read_sql pandas.read_hdf
    pandas.HDFStore pandas.plotting.* pandas.DataFrame.plot pandas.testing.* pandas.eval
    scipy.LowLevelCallable scipy.integrate.odeint scipy.odr.* sklearn.externals.*
    PIL.ImageGrab.* PIL.ImageTk.* PIL.ImageShow.* sqlalchemy.event.* cv2.VideoCapture
    requests.sessions.*
"""

EFFECTS = """
process | changes how numpy prints or reports errors
  | https://numpy.org/doc/stable/reference/generated/numpy.set_printoptions.html
    numpy.set_printoptions numpy.printoptions numpy.seterr
process | seeds the random generator that the whole program draws from
  | https://numpy.org/doc/stable/reference/random/generated/numpy.random.seed.html
    numpy.random.seed numpy.random.set_state numpy.random.set_bit_generator
process | changes an option of pandas for the whole program
  | https://pandas.pydata.org/docs/user_guide/options.html
    pandas.set_option pandas.reset_option pandas.option_context pandas.set_eng_float_format
    pandas.option_context.__enter__@old pandas._config.config.DictWrapper.__setattr__
process | uses the current figure, of which the program has one
  | https://matplotlib.org/stable/users/faq.html#work-with-threads
    matplotlib.pyplot.* pylab.* matplotlib.pylab.* seaborn.*
process | changes the settings of matplotlib for the whole program
  | https://matplotlib.org/stable/api/matplotlib_configuration_api.html
    matplotlib.rc matplotlib.rcdefaults matplotlib.rc_file matplotlib.rc_context matplotlib.use
    matplotlib.style.use matplotlib.style.context matplotlib.RcParams.__setitem__
    matplotlib.set_loglevel matplotlib.interactive
process | seeds the random generator that the whole program draws from
  | https://docs.pytorch.org/docs/stable/notes/randomness.html
    torch.manual_seed torch.seed torch.set_rng_state torch.cuda.manual_seed
    torch.cuda.manual_seed_all torch.random.fork_rng torch.random.manual_seed
    tensorflow.random.set_seed tensorflow.keras.utils.set_random_seed
    keras.utils.set_random_seed lightning.seed_everything pytorch_lightning.seed_everything
    transformers.set_seed
process | changes a setting of torch for the whole program
  | https://docs.pytorch.org/docs/stable/torch.html
    torch.set_num_threads torch.set_num_interop_threads torch.set_default_dtype
    torch.set_default_device torch.set_default_tensor_type torch.use_deterministic_algorithms
    torch.set_printoptions torch.set_float32_matmul_precision torch.set_flush_denormal
process | changes a setting of scikit-learn
  | https://scikit-learn.org/stable/modules/generated/sklearn.set_config.html
    sklearn.set_config
process | changes how the program computes in parallel | https://github.com/joblib/threadpoolctl
    threadpoolctl.threadpool_limits threadpoolctl.ThreadpoolController.limit
    numba.set_num_threads cv2.setNumThreads cv2.setRNGSeed mkl.set_num_threads
    numexpr.set_num_threads
process | stops the clock of the whole program for a while | https://github.com/spulec/freezegun
    freezegun.freeze_time freezegun.api.* time_machine.*
process | puts another object in the place of one that the whole program uses
  | https://docs.pytest.org/en/stable/how-to/monkeypatch.html
    pytest.MonkeyPatch _pytest.monkeypatch.* responses.activate responses.start
    requests_mock.Mocker respx.mock vcr.use_cassette moto.mock_aws mock.patch gevent.monkey.*
    eventlet.monkey_patch
process | changes how warnings or logs of the whole program are treated
  | https://urllib3.readthedocs.io/en/stable/reference/urllib3.html
    urllib3.disable_warnings urllib3.add_stderr_logger loguru._logger.Logger.add
    loguru._logger.Logger.remove loguru._logger.Logger.configure structlog.configure
    structlog.reset_defaults coloredlogs.install absl.logging.set_verbosity
process | sets up a default of the whole program
  | https://docs.aws.amazon.com/boto3/latest/guide/session.html
    boto3.setup_default_session boto3.set_stream_logger sentry_sdk.init dotenv.load_dotenv
    h5py.get_config
process | seeds the random generator that all fakers share
  | https://faker.readthedocs.io/en/stable/#seeding-the-generator
    faker.Faker.seed faker.proxy.Faker.seed faker.generator.Generator.seed
process | runs an integrator that keeps its state in its library: two disturb each other
  | https://docs.scipy.org/doc/scipy/reference/generated/scipy.integrate.ode.html
    scipy.integrate.ode scipy.integrate.complex_ode

thread | has to be called in the thread that made the window
  | https://doc.qt.io/qt-6/thread-basics.html
    PyQt5.* PyQt6.* PySide2.* PySide6.* wx.* pygame.* pyglet.* cv2.imshow cv2.waitKey
    cv2.namedWindow cv2.destroyAllWindows

caller | stops in the debugger or asks the one who sits at the terminal
  | https://ipython.readthedocs.io/en/stable/api/generated/IPython.terminal.embed.html
    IPython.embed IPython.terminal.embed.embed IPython.start_ipython ipdb.* pudb.* click.prompt
    click.confirm click.termui.prompt click.termui.confirm questionary.* inquirer.*
    prompt_toolkit.*

draws | draws from the random generator of the whole program
  | https://numpy.org/doc/stable/reference/random/legacy.html
    numpy.random.*
draws | draws from numpy's random generator of the whole program where no other is given
  | https://docs.scipy.org/doc/scipy/reference/generated/scipy.stats.rv_continuous.rvs.html
    scipy.stats._distn_infrastructure.rv_generic.rvs
    scipy.stats._distn_infrastructure.rv_frozen.rvs scipy.stats._multivariate.*
    scipy.stats.bootstrap scipy.stats.permutation_test scipy.stats.monte_carlo_test
    scipy.stats.gaussian_kde scipy.stats.qmc.* scipy.optimize.differential_evolution
    scipy.optimize.dual_annealing scipy.optimize.basinhopping scipy.optimize.shgo
    scipy.sparse.random scipy.cluster.vq.* scipy.sparse.linalg.eigs scipy.sparse.linalg.eigsh
    scipy.sparse.linalg.svds pandas.DataFrame.sample pandas.Series.sample
    pandas.core.generic.NDFrame.sample sklearn.utils.check_random_state sklearn.utils.shuffle
    sklearn.utils.resample sklearn.model_selection.train_test_split
    sklearn.datasets.make_classification sklearn.datasets.make_blobs
    sklearn.datasets.make_regression
draws | draws from the random generator of the whole program
  | https://docs.pytorch.org/docs/stable/torch.html#random-sampling
    torch.rand torch.randn torch.randint torch.randperm torch.rand_like torch.randn_like
    torch.randint_like torch.normal torch.bernoulli torch.multinomial torch.poisson
    torch.nn.init.* torch.nn.functional.dropout torch.distributions.* tensorflow.random.*
    cupy.random.*
draws | draws from the random generator of the whole program where no other is given
  | https://networkx.org/documentation/stable/reference/randomness.html
    networkx.gnp_random_graph networkx.erdos_renyi_graph networkx.barabasi_albert_graph
    networkx.watts_strogatz_graph networkx.spring_layout networkx.random_regular_graph
    faker.proxy.Faker.__call__ faker.generator.Generator.*

safe | makes a generator of its own | https://numpy.org/doc/stable/reference/random/generator.html
    numpy.random.default_rng numpy.random.Generator numpy.random.RandomState
    numpy.random.SeedSequence numpy.random.PCG64 numpy.random.PCG64DXSM numpy.random.MT19937
    numpy.random.Philox numpy.random.SFC64 numpy.random.RandomState.* numpy.random.BitGenerator
    numpy.random.Generator.* numpy.random.get_state numpy.random.get_bit_generator
safe | computes from its arguments | https://numpy.org/doc/stable/reference/thread_safety.html
    numpy.*
safe | computes from its arguments | https://docs.scipy.org/doc/scipy/tutorial/thread_safety.html
    scipy.*
safe | computes from its arguments; one frame is for one thread
  | https://pandas.pydata.org/docs/user_guide/gotchas.html#thread-safety
    pandas.*
safe | computes from its arguments | https://docs.pola.rs/user-guide/misc/multiprocessing/
    polars.* pyarrow.*
safe | works on the image that it is given
  | https://pillow.readthedocs.io/en/stable/releasenotes/11.0.0.html
    PIL.* cv2.* skimage.*
safe | opens a session of its own for each call
  | https://requests.readthedocs.io/en/latest/user/advanced/#session-objects
    requests.get requests.post requests.put requests.patch requests.delete requests.head
    requests.options requests.request requests.Session requests.session requests.Request
    requests.models.* requests.utils.* requests.exceptions.* requests.sessions.Session.*
    requests.adapters.*
safe | opens a client of its own for each call | https://www.python-httpx.org/api/#helper-functions
    httpx.*
safe | is made for threads | https://urllib3.readthedocs.io/en/stable/advanced-usage.html
    urllib3.* certifi.* idna.* charset_normalizer.* chardet.*
safe | makes a client, which threads may share
  | https://docs.aws.amazon.com/boto3/latest/guide/clients.html
    botocore.client.* botocore.config.* botocore.exceptions.*
safe | computes from its arguments | https://github.com/ijl/orjson
    orjson.* ujson.* simplejson.* msgpack.* yaml.* toml.* tomli.* rapidjson.*
safe | works on the document that it is given | https://lxml.de/FAQ.html#threading
    lxml.* bs4.* html5lib.* selectolax.* markdown.* docutils.* feedparser.*
safe | computes from its arguments | https://pypi.org/project/regex/
    regex.* dateutil.* pytz.* attr.* attrs.* packaging.* six.* typing_extensions.* pydantic.*
    pydantic_core.*
safe | computes from its arguments, without the interpreter's lock
  | https://github.com/indygreg/python-zstandard
    zstandard.* lz4.* brotli.* snappy.* blosc.* xxhash.* blake3.* cryptography.* bcrypt.*
    argon2.* mmh3.*
safe | was compiled from a function that computes
  | https://numba.readthedocs.io/en/stable/developer/threading_implementation.html
    numba.core.registry.CPUDispatcher.__call__ numba.np.ufunc.dufunc.DUFunc.__call__
    numexpr.evaluate
safe | works on the graph that it is given | https://networkx.org/documentation/stable/
    networkx.* shapely.* sympy.*
safe | opens a connection of its own | https://peps.python.org/pep-0249/#threadsafety
    psycopg.connect psycopg.Connection.connect psycopg2.connect pymysql.connect
    pymysql.connections.Connection MySQLdb.connect mysql.connector.connect pyodbc.connect
    oracledb.connect cx_Oracle.connect asyncpg.connect snowflake.connector.connect
safe | makes a client of its own | https://redis.readthedocs.io/en/stable/advanced_features.html
    redis.Redis redis.StrictRedis redis.from_url pymongo.MongoClient elasticsearch.Elasticsearch
    sqlalchemy.create_engine paramiko.SSHClient openai.OpenAI anthropic.Anthropic
safe | tells how far a loop is | https://tqdm.github.io/docs/tqdm/
    tqdm.std.tqdm.write rich.*
"""
