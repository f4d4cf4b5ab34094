package sagelab.s3

import java.io.{FileNotFoundException, IOException}
import java.net.URLDecoder
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.AccessDeniedException
import java.time.{Instant, ZonedDateTime}
import java.time.format.DateTimeFormatter
import java.util.concurrent.{Callable, ExecutionException, Future}

import scala.util.Using

import org.apache.hadoop.conf.Configuration

/** An object, or what keys have in common up to a slash (size -1). modified: milliseconds since 1970. */
final case class Entry(key: String, size: Long, modified: Long, tag: String)

/** A page of a listing. */
final case class Page(entries: Seq[Entry], prefixes: Seq[String], next: Option[String])

/** What there is to do with the objects of one bucket. */
final class Bucket(val name: String, conf: Configuration) {
  private val client = new Client(conf)
  private val page = math.max(1, math.min(1000, conf.getInt("fs.s3a.paging.maximum", 1000)))
  private val copied = conf.getLongBytes("fs.sagelab.copy.maximum", 5L << 30) // bytes that one CopyObject may have

  /** An object, if there is one of this key. */
  def head(key: String): Option[Entry] =
    try {
      val answer = client.send("HEAD", name, key)
      answer.body.close()
      val modified = answer.headers.get("last-modified").map(Bucket.rfc1123).getOrElse(0L)
      Some(Entry(key, answer.headers("content-length").toLong, modified, answer.headers.getOrElse("etag", "")))
    } catch {
      case _: FileNotFoundException => None
      case _: AccessDeniedException => // an answer without a body does not say why
        Using.resource(get(key, 0, 1, "").body)(_ => ())
        throw new IOException(s"s3a://$name/$key: HeadObject is refused, GetObject is not")
    }

  /** Bytes of an object, `from` to before `until`. tag: what it must still be; empty: anything. */
  def get(key: String, from: Long, until: Long, tag: String): Answer = {
    val same = if (tag.isEmpty) Map.empty[String, String] else Map("if-match" -> tag)
    client.send("GET", name, key, headers = same + ("range" -> s"bytes=$from-${until - 1}"))
  }

  /** fresh: only where there is no such object yet. */
  def put(key: String, body: Body, fresh: Boolean = false): Unit = {
    val headers = if (fresh) Map("if-none-match" -> "*") else Map.empty[String, String]
    client.send("PUT", name, key, headers = headers, body = Some(body)).body.close()
  }

  /** A page of the keys below a prefix. deep: all of them, not what they have in common up to the next slash. */
  def list(prefix: String, deep: Boolean, next: Option[String] = None, most: Int = page): Page = {
    val query = Seq("list-type" -> "2", "encoding-type" -> "url", "prefix" -> prefix, "max-keys" -> s"$most") ++
      (if (deep) None else Some("delimiter" -> "/")) ++ next.map("continuation-token" -> _)
    val found = client.send("GET", name, "", query).text
    val entries = found.each("Contents").map { one =>
      val modified = Instant.parse(one.last("LastModified").get).toEpochMilli
      Entry(Bucket.decode(one.last("Key").get), one.last("Size").get.toLong, modified, one.last("ETag").getOrElse(""))
    }
    val prefixes = found.each("CommonPrefixes").flatMap(_.last("Prefix")).map(Bucket.decode)
    Page(entries, prefixes, found.last("NextContinuationToken").filter(_.nonEmpty))
  }

  /** All pages, each asked for when it is wanted. */
  def pages(prefix: String, deep: Boolean): Iterator[Page] =
    Iterator.unfold(Option(Option.empty[String])) {
      case None => None
      case Some(token) =>
        val found = list(prefix, deep, token)
        Some((found, found.next.map(Option(_))))
    }

  def delete(key: String): Unit = client.send("DELETE", name, key).body.close()

  /** A thousand a request. AccessDeniedException, IOException: the first that stays. */
  def delete(keys: Iterator[String]): Unit = keys.grouped(1000).foreach { some =>
    val objects = some.map(key => s"<Object><Key>${Bucket.escape(key)}</Key></Object>").mkString
    val text = s"<Delete><Quiet>true</Quiet>$objects</Delete>".getBytes(UTF_8)
    val answer = client.send("POST", name, "", Seq("delete" -> ""), body = Some(Body.of(text))).text
    answer.each("Error").headOption.foreach { error =>
      val code = error.last("Code").getOrElse("InternalError")
      val status = if (code == "AccessDenied") 403 else 500
      throw Client.explain(status, code, error.last("Message").getOrElse(""), name, error.last("Key").getOrElse(""))
    }
  }

  /** Within the bucket; of what is larger than a copy may be, part by part. */
  def copy(from: Entry, to: String): Unit = {
    val source = s"/${Signer.encode(name)}/${Signer.encode(from.key, "/")}"
    if (from.size <= copied) finish(client.send("PUT", name, to, headers = Map("x-amz-copy-source" -> source)), to)
    else {
      val upload = begin(to)
      val starts = Iterator.iterate(0L)(_ + copied).takeWhile(_ < from.size).toSeq
      try {
        val tags = Bucket.sideBySide(starts.zipWithIndex.map { case (start, number) => () =>
          val last = math.min(start + copied, from.size) - 1
          val headers = Map("x-amz-copy-source" -> source, "x-amz-copy-source-range" -> s"bytes=$start-$last")
          val query = Seq("partNumber" -> s"${number + 1}", "uploadId" -> upload)
          finish(client.send("PUT", name, to, query, headers), to).last("ETag").get
        })
        complete(to, upload, tags)
      } catch { case error: Throwable => abort(to, upload); throw error }
    }
  }

  // Uploads in parts

  def begin(key: String): String = client.send("POST", name, key, Seq("uploads" -> "")).text.last("UploadId").get

  /** The tag of a part. */
  def part(key: String, upload: String, number: Int, body: Body): String = {
    val query = Seq("partNumber" -> s"$number", "uploadId" -> upload)
    val answer = client.send("PUT", name, key, query, body = Some(body))
    answer.body.close()
    answer.headers("etag")
  }

  /** Make the parts the object. What was done before, by a request whose answer was lost, is done. */
  def complete(key: String, upload: String, tags: Seq[String], fresh: Boolean = false): Unit = {
    val parts = tags.zipWithIndex.map { case (tag, number) =>
      s"<Part><PartNumber>${number + 1}</PartNumber><ETag>${Bucket.escape(tag)}</ETag></Part>"
    }
    val body = Body.of(parts.mkString("<CompleteMultipartUpload>", "", "</CompleteMultipartUpload>").getBytes(UTF_8))
    val headers = if (fresh) Map("if-none-match" -> "*") else Map.empty[String, String]
    try finish(client.send("POST", name, key, Seq("uploadId" -> upload), headers, Some(body)), key)
    catch { case error: Refused if error.code == "NoSuchUpload" && head(key).exists(_.tag.contains(s"-${tags.size}")) => }
  }

  def abort(key: String, upload: String): Unit =
    try client.send("DELETE", name, key, Seq("uploadId" -> upload)).body.close()
    catch { case _: IOException => } // what is left is the bucket's lifecycle's to remove

  /** The answer to what takes S3 so long that it says 200 before it knows. */
  private def finish(answer: Answer, key: String): Elements = {
    val found = answer.text
    if (found.all.lastOption.exists(_._1 == "Error"))
      throw Client.explain(500, found.last("Code").getOrElse(""), found.last("Message").getOrElse(""), name, key)
    found
  }
}

object Bucket {
  /** All of them at once, as far as there are threads; the first error, once none runs any more. */
  def sideBySide[T](work: Seq[() => T]): Seq[T] = {
    val futures = work.map(one => Client.pool.submit(new Callable[T] { def call(): T = one() }))
    val done = futures.map(future => scala.util.Try(await(future)))
    done.map(_.get)
  }

  /** What a thread of the pool came to; its exception is the caller's. */
  def await[T](future: Future[T]): T =
    try future.get()
    catch {
      case error: ExecutionException => throw error.getCause
      case _: InterruptedException =>
        future.cancel(true)
        Thread.currentThread.interrupt()
        throw new java.io.InterruptedIOException
    }

  private def decode(text: String): String = URLDecoder.decode(text, UTF_8)

  /** Text in XML, with what a parser would make something else of. */
  def escape(text: String): String = text.flatMap {
    case '&' => "&amp;"
    case '<' => "&lt;"
    case '>' => "&gt;"
    case char if char < ' ' => f"&#x${char.toInt}%X;"
    case char => char.toString
  }

  private def rfc1123(text: String): Long =
    ZonedDateTime.parse(text, DateTimeFormatter.RFC_1123_DATE_TIME).toInstant.toEpochMilli
}
