package sagelab.s3

import java.io.IOException
import java.net.URI
import java.net.http.{HttpClient, HttpRequest, HttpResponse}
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Path => LocalPath}
import java.security.MessageDigest
import java.time.{Instant, ZoneOffset}
import java.time.format.DateTimeFormatter
import java.util.Base64
import javax.crypto.Mac
import javax.crypto.spec.SecretKeySpec

import scala.util.Try

import com.fasterxml.jackson.databind.ObjectMapper
import org.apache.hadoop.conf.Configuration

/** Keys of whoever asks. until: when they are to be read again. */
final case class Keys(access: String, secret: String, token: Option[String], until: Instant = Instant.MAX)

/** Where keys come from: the options of s3a, the environment, or the endpoint of a container's role. */
final class KeySource(conf: Configuration, http: HttpClient) {
  private var held: Option[Keys] = None

  /** Keys that are good for a while. IOException: there are none. */
  def get(): Keys = synchronized {
    if (!held.exists(_.until.isAfter(Instant.now()))) held = Some(read())
    held.get
  }

  /** These were refused as too old: those of the endpoint are read anew. */
  def forget(keys: Keys): Unit = synchronized { if (held.contains(keys)) held = None }

  private def read(): Keys = configured
    .orElse(named)
    .orElse(sys.env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI").map(fromEndpoint))
    .getOrElse(throw new IOException("No AWS credentials: the job has no role's keys (EnableNetworkIsolation?)"))

  private def configured: Option[Keys] = option("fs.s3a.access.key").zip(option("fs.s3a.secret.key")).map {
    case (access, secret) => Keys(access, secret, option("fs.s3a.session.token"))
  }

  private def option(name: String): Option[String] = Option(conf.getTrimmed(name)).filter(_.nonEmpty)

  private def named: Option[Keys] = sys.env.get("AWS_ACCESS_KEY_ID").zip(sys.env.get("AWS_SECRET_ACCESS_KEY")).map {
    case (access, secret) => Keys(access, secret, sys.env.get("AWS_SESSION_TOKEN"))
  }

  private def fromEndpoint(address: String): Keys = {
    val request = HttpRequest.newBuilder(URI.create(address)).timeout(java.time.Duration.ofSeconds(30))
    val file = sys.env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(name => Files.readString(LocalPath.of(name)))
    file.orElse(sys.env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")).foreach(request.header("Authorization", _))
    val answer = http.send(request.build(), HttpResponse.BodyHandlers.ofString())
    if (answer.statusCode != 200)
      throw new IOException(s"The keys of the role could not be read: ${answer.statusCode} ${answer.body.take(200)}")
    val found = new ObjectMapper().readTree(answer.body)
    val end = Option(found.get("Expiration")).flatMap(text => Try(Instant.parse(text.asText)).toOption)
    // Five minutes before their end, and where they live less than ten, in the middle of their life.
    val until = end.map { at =>
      val left = java.time.Duration.between(Instant.now(), at)
      at.minus(if (left.toMinutes >= 10) java.time.Duration.ofMinutes(5) else left.dividedBy(2))
    }
    Keys(
      found.get("AccessKeyId").asText,
      found.get("SecretAccessKey").asText,
      Option(found.get("Token")).map(_.asText),
      until.getOrElse(Instant.MAX)
    )
  }
}

/** Signature Version 4: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
object Signer {
  private val Stamp = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC)
  private val Unsigned = "UNSIGNED-PAYLOAD" // a body has its MD5 in a header that is signed

  /** The headers of a request. headers: of its own, in lower case. query: in order, not yet encoded. */
  def sign(
      method: String, host: String, path: String, query: Seq[(String, String)], headers: Map[String, String],
      keys: Keys, region: String
  ): Map[String, String] = {
    val stamp = Stamp.format(Instant.now())
    val token = keys.token.map("x-amz-security-token" -> _)
    val own = headers ++ Map("x-amz-date" -> stamp, "x-amz-content-sha256" -> Unsigned) ++ token
    val signed = (own + ("host" -> host)).toSeq.sorted
    val names = signed.map(_._1).mkString(";")
    val lines = signed.map { case (name, value) => s"$name:${value.trim.replaceAll(" +", " ")}\n" }.mkString
    val canonical = s"$method\n$path\n${join(query)}\n$lines\n$names\n$Unsigned"
    val scope = s"${stamp.take(8)}/$region/s3/aws4_request"
    val text = s"AWS4-HMAC-SHA256\n$stamp\n$scope\n${hex(MessageDigest.getInstance("SHA-256").digest(canonical.getBytes(UTF_8)))}"
    val key = scope.split('/').foldLeft(s"AWS4${keys.secret}".getBytes(UTF_8))(hmac)
    val signature = hex(hmac(key, text))
    own + ("authorization" ->
      s"AWS4-HMAC-SHA256 Credential=${keys.access}/$scope, SignedHeaders=$names, Signature=$signature")
  }

  def join(query: Seq[(String, String)]): String =
    query.map { case (name, value) => s"${encode(name)}=${encode(value)}" }.sorted.mkString("&")

  /** Percent-encoded as S3 wants it: all but letters, digits and -._~ */
  def encode(text: String, kept: String = ""): String = {
    val out = new StringBuilder
    for (byte <- text.getBytes(UTF_8)) {
      val char = (byte & 0xff).toChar
      if (char < 128 && (char.isLetterOrDigit || "-._~".indexOf(char) >= 0 || kept.indexOf(char) >= 0)) out += char
      else out ++= f"%%${byte & 0xff}%02X"
    }
    out.toString
  }

  def md5(bytes: Array[Byte]): String = Base64.getEncoder.encodeToString(MessageDigest.getInstance("MD5").digest(bytes))

  private def hmac(key: Array[Byte], text: String): Array[Byte] = {
    val mac = Mac.getInstance("HmacSHA256")
    mac.init(new SecretKeySpec(key, "HmacSHA256"))
    mac.doFinal(text.getBytes(UTF_8))
  }

  private def hex(bytes: Array[Byte]): String = java.util.HexFormat.of().formatHex(bytes)
}
