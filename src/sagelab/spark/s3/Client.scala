package sagelab.s3

import java.io.{ByteArrayInputStream, FileNotFoundException, IOException, InputStream, InterruptedIOException}
import java.net.URI
import java.net.http.{HttpClient, HttpRequest, HttpResponse}
import java.net.http.HttpRequest.{BodyPublisher, BodyPublishers}
import java.nio.file.{AccessDeniedException, Files, Path => LocalPath}
import java.security.KeyStore
import java.security.cert.CertificateFactory
import java.time.Duration
import java.util.concurrent.{ExecutorService, Executors, ThreadLocalRandom}
import javax.net.ssl.{SSLContext, TrustManagerFactory}
import javax.xml.stream.{XMLInputFactory, XMLStreamConstants}

import scala.jdk.CollectionConverters._
import scala.util.Using

import org.apache.hadoop.conf.Configuration

/** S3 said no. status: of HTTP. code: S3's own, empty where the answer had no body. */
class Refused(val status: Int, val code: String, message: String) extends IOException(message)

/** What is put into S3. publisher: a new one each time it is sent. */
final case class Body(length: Long, md5: String, publisher: () => BodyPublisher)

object Body {
  val empty: Body = of(Array.emptyByteArray)

  def of(bytes: Array[Byte]): Body = Body(bytes.length, Signer.md5(bytes), () => BodyPublishers.ofByteArray(bytes))
}

/** An answer of S3. headers: in lower case. */
final case class Answer(status: Int, headers: Map[String, String], body: InputStream) {
  def text: Elements = Using.resource(body)(stream => Elements.parse(stream.readAllBytes()))
}

/** The elements of an XML document in their order: name and text, each behind what it holds. */
final case class Elements(all: Seq[(String, String)]) {
  def first(name: String): Option[String] = all.collectFirst { case (`name`, text) => text }

  def last(name: String): Option[String] = all.reverseIterator.collectFirst { case (`name`, text) => text }

  /** The elements of a name with what they hold. */
  def each(name: String): Seq[Elements] = {
    val found = Seq.newBuilder[Elements]
    var inside = Vector.empty[(String, String)]
    all.foreach {
      case (`name`, _) => found += Elements(inside); inside = Vector.empty
      case one => inside = inside :+ one
    }
    found.result()
  }
}

object Elements {
  private val factory = XMLInputFactory.newInstance()
  factory.setProperty(XMLInputFactory.SUPPORT_DTD, false)
  factory.setProperty("javax.xml.stream.isSupportingExternalEntities", false)

  def parse(bytes: Array[Byte]): Elements = {
    if (bytes.isEmpty) return Elements(Nil)
    val reader = factory.createXMLStreamReader(new ByteArrayInputStream(bytes))
    val found = Vector.newBuilder[(String, String)]
    val text = new StringBuilder
    try
      while (reader.hasNext) reader.next() match {
        case XMLStreamConstants.START_ELEMENT => text.clear()
        case XMLStreamConstants.END_ELEMENT => found += reader.getLocalName -> text.toString; text.clear()
        case XMLStreamConstants.CHARACTERS | XMLStreamConstants.CDATA => text ++= reader.getText
        case _ =>
      }
    catch { case error: javax.xml.stream.XMLStreamException => throw new IOException("S3's answer is no XML", error) }
    Elements(found.result())
  }
}

/** Requests to S3, signed and repeated where that may help. One for each file system. */
final class Client(conf: Configuration) {
  private val endpoint = Client.endpoint(conf)
  private val region = Option(conf.getTrimmed("fs.s3a.endpoint.region")).filter(_.nonEmpty)
    .orElse(sys.env.get("AWS_REGION")).getOrElse("us-east-1")
  private val attempts = conf.getInt("fs.s3a.retry.limit", 7) + 1
  private val interval = conf.getTimeDuration("fs.s3a.retry.interval", 500L, java.util.concurrent.TimeUnit.MILLISECONDS)
  private val timeout = Duration.ofMillis(
    conf.getTimeDuration("fs.s3a.connection.timeout", 200000L, java.util.concurrent.TimeUnit.MILLISECONDS))
  private val http = Client.http
  private val keys = new KeySource(conf, http)

  /** An answer below 300; its body is the caller's to close. Refused, or one of Hadoop's: why there is none. */
  def send(
      method: String, bucket: String, key: String, query: Seq[(String, String)] = Nil,
      headers: Map[String, String] = Map.empty, body: Option[Body] = None
  ): Answer = {
    var tried = 0
    while (true) {
      tried += 1
      try return check(once(method, bucket, key, query, headers, body), bucket, key)
      catch {
        case error: IOException if tried < attempts && repeats(error) => pause(tried)
      }
    }
    throw new IllegalStateException
  }

  private def once(
      method: String, bucket: String, key: String, query: Seq[(String, String)], headers: Map[String, String],
      body: Option[Body]
  ): (Answer, Keys) = {
    val path = s"${endpoint.getRawPath.stripSuffix("/")}/${Signer.encode(bucket)}/${Signer.encode(key, "/")}"
    val held = keys.get()
    val own = headers ++ body.map("content-md5" -> _.md5)
    val signed = Signer.sign(method, endpoint.getRawAuthority, path, query, own, held, region)
    val question = if (query.isEmpty) "" else s"?${Signer.join(query)}"
    val address = URI.create(s"${endpoint.getScheme}://${endpoint.getRawAuthority}$path$question")
    val publisher = body.map(_.publisher()).getOrElse(BodyPublishers.noBody())
    val request = HttpRequest.newBuilder(address).method(method, publisher).timeout(timeout)
    signed.foreach { case (name, value) => request.header(name, value) }
    val answer =
      try http.send(request.build(), HttpResponse.BodyHandlers.ofInputStream())
      catch { case _: InterruptedException => Thread.currentThread.interrupt(); throw new InterruptedIOException }
    val fields = answer.headers.map.asScala.map { case (name, values) => name.toLowerCase -> values.get(0) }.toMap
    (Answer(answer.statusCode, fields, answer.body), held)
  }

  private def check(answered: (Answer, Keys), bucket: String, key: String): Answer = {
    val (answer, held) = answered
    if (answer.status < 300) return answer
    val (code, message) =
      try { val found = answer.text; (found.first("Code").getOrElse(""), found.first("Message").getOrElse("")) }
      catch { case _: IOException => ("", "") }
    if (Client.Stale.contains(code)) keys.forget(held)
    throw Client.explain(answer.status, code, message, bucket, key)
  }

  private def repeats(error: IOException): Boolean = error match {
    case _: InterruptedIOException if !error.isInstanceOf[java.net.SocketTimeoutException] => false
    case refused: Refused =>
      refused.status >= 500 && refused.status != 501 || Set(408, 429)(refused.status) ||
      Client.Passing(refused.code) || Client.Stale(refused.code)
    case _: FileNotFoundException | _: java.nio.file.FileSystemException => false
    case _ => true
  }

  /** Twice as long each time, and each time a part of it by chance, so that those who wait do not all come at once. */
  private def pause(tried: Int): Unit = {
    val longest = math.min(interval << math.min(tried - 1, 6), 20000L)
    try Thread.sleep(ThreadLocalRandom.current().nextLong(longest / 2, longest + 1))
    catch { case _: InterruptedException => Thread.currentThread.interrupt(); throw new InterruptedIOException }
  }
}

object Client {
  private val Passing = Set("SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "RequestLimitExceeded",
    "InternalError", "ServiceUnavailable", "OperationAborted")
  private val Stale = Set("ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "TokenRefreshRequired")

  /** Threads for what is done side by side: parts of an upload, copies. */
  lazy val pool: ExecutorService = Executors.newFixedThreadPool(8, { work =>
    val thread = new Thread(work, "sagelab-s3")
    thread.setDaemon(true)
    thread
  })

  private lazy val http: HttpClient = {
    val builder = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(30))
    sys.env.get("AWS_CA_BUNDLE").filter(_.nonEmpty).foreach(file => builder.sslContext(trusting(file)))
    builder.build()
  }

  private def endpoint(conf: Configuration): URI = {
    val named = Option(conf.getTrimmed("fs.s3a.endpoint")).filter(_.nonEmpty)
    val found = named.orElse(sys.env.get("AWS_ENDPOINT_URL_S3")).orElse(sys.env.get("AWS_ENDPOINT_URL"))
    val text = found.getOrElse(throw new IOException("fs.s3a.endpoint is not set, nor AWS_ENDPOINT_URL"))
    URI.create(if (text.contains("://")) text else s"https://$text")
  }

  /** Whoever a file of certificates names. */
  private def trusting(file: String): SSLContext = {
    val store = KeyStore.getInstance(KeyStore.getDefaultType)
    store.load(null)
    Using.resource(Files.newInputStream(LocalPath.of(file))) { stream =>
      CertificateFactory.getInstance("X.509").generateCertificates(stream).asScala.zipWithIndex.foreach {
        case (one, number) => store.setCertificateEntry(s"$number", one)
      }
    }
    val factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm)
    factory.init(store)
    val context = SSLContext.getInstance("TLS")
    context.init(null, factory.getTrustManagers, null)
    context
  }

  /** The exception that programs of Hadoop's expect. */
  def explain(status: Int, code: String, message: String, bucket: String, key: String): IOException = {
    val where = s"s3a://$bucket/$key"
    val words = s"${if (code.isEmpty) s"HTTP $status" else code}${if (message.isEmpty) "" else s": $message"}"
    if (code == "NoSuchBucket") new FileNotFoundException(s"$where: Bucket $bucket does not exist ($words)")
    else if (Stale(code) || Passing(code)) new Refused(status, code, s"$where: $words")
    else if (status == 403 || status == 401) new AccessDeniedException(where, null, words)
    else if (status == 404 && code != "NoSuchUpload") new FileNotFoundException(s"$where: $words")
    else new Refused(status, code, s"$where: $words")
  }
}
