package sagelab.s3

import java.io.{BufferedOutputStream, ByteArrayOutputStream, File, IOException, OutputStream}
import java.net.http.HttpRequest.BodyPublishers
import java.nio.file.{Files, Path => LocalPath}
import java.security.MessageDigest
import java.util.Base64
import java.util.concurrent.{Callable, Future, Semaphore}

import scala.collection.mutable

import org.apache.hadoop.fs.{Abortable, StreamCapabilities}
import org.apache.hadoop.fs.FileAlreadyExistsException

/** How an object is written. part: bytes of a part. folder: for what is above memory. fresh: nothing is there yet. */
final case class Writing(part: Long, folder: File, fresh: Boolean)

/** A part on its way: in memory while it is small, then in a file. */
final class Piece(folder: File) {
  private val digest = MessageDigest.getInstance("MD5")
  private var memory = new ByteArrayOutputStream(64 << 10)
  private var file: Option[LocalPath] = None
  private var stream: OutputStream = memory
  var length = 0L

  def write(bytes: Array[Byte], offset: Int, count: Int): Unit = {
    if (file.isEmpty && length + count > Piece.Memory) moveToDisk()
    stream.write(bytes, offset, count)
    digest.update(bytes, offset, count)
    length += count
  }

  /** All of it. Nothing is written to it any more. */
  def body(): Body = {
    stream.close()
    val md5 = Base64.getEncoder.encodeToString(digest.digest())
    file match {
      case Some(path) => Body(length, md5, () => BodyPublishers.ofFile(path))
      case None =>
        val bytes = memory.toByteArray
        Body(length, md5, () => BodyPublishers.ofByteArray(bytes))
    }
  }

  def remove(): Unit = {
    stream.close()
    file.foreach(Files.deleteIfExists(_))
  }

  private def moveToDisk(): Unit = {
    Files.createDirectories(folder.toPath)
    val path = Files.createTempFile(folder.toPath, "s3-", ".part")
    file = Some(path)
    stream = new BufferedOutputStream(Files.newOutputStream(path), 256 << 10)
    memory.writeTo(stream)
    memory = null
  }
}

object Piece {
  private val Memory = 1L << 20
}

/** An object on its way: there all at once when it is closed, or not at all. What is large goes ahead in parts.
  *
  * kept: who is told of the parts in place of their becoming the object; None: they do.
  */
final class Output(bucket: Bucket, key: String, how: Writing, kept: Option[Uncommitted]) extends OutputStream
    with StreamCapabilities with Abortable {
  private var piece = new Piece(how.folder)
  private var upload: Option[String] = None
  private val parts = mutable.Buffer.empty[Future[String]]
  private val underWay = new Semaphore(4)
  private var written = 0L
  private var closed = false
  @volatile private var dropped = false

  override def write(byte: Int): Unit = write(Array(byte.toByte), 0, 1)

  override def write(bytes: Array[Byte], offset: Int, count: Int): Unit = {
    if (closed) throw new IOException(s"s3a://${bucket.name}/$key is closed")
    var done = 0
    while (done < count) {
      val some = math.min(count - done, room - piece.length).toInt
      piece.write(bytes, offset + done, some)
      done += some
      if (piece.length >= room) try sendOn() catch { case error: Throwable => drop(); throw error }
    }
    written += count
  }

  /** Of 10,000 parts that there may be, later ones are larger. */
  private def room: Long = how.part << (parts.size / 2000)

  override def close(): Unit = if (!closed) {
    closed = true
    try {
      if (kept.nonEmpty || upload.nonEmpty) finishParts()
      else bucket.put(key, piece.body(), how.fresh)
      piece.remove()
    } catch {
      case error: Refused if error.status == 412 =>
        drop()
        throw new FileAlreadyExistsException(s"s3a://${bucket.name}/$key already exists")
      case error: Throwable => drop(); throw error
    }
  }

  private def finishParts(): Unit = {
    if (piece.length > 0 || parts.isEmpty) sendOn()
    val tags = parts.map(Bucket.await(_)).toSeq
    kept match {
      case Some(uncommitted) => uncommitted.add(Pending(key, upload.get, tags, written))
      case None => bucket.complete(key, upload.get, tags, how.fresh)
    }
  }

  private def sendOn(): Unit = {
    parts.find(_.isDone).foreach(Bucket.await(_)) // what has failed is known before more is written
    val id = upload.getOrElse { val made = bucket.begin(key); upload = Some(made); made }
    val (going, number) = (piece, parts.size + 1)
    underWay.acquire()
    parts += Client.pool.submit(new Callable[String] {
      def call(): String =
        try if (dropped) throw new IOException("given up") else bucket.part(key, id, number, going.body())
        finally { going.remove(); underWay.release() }
    })
    piece = new Piece(how.folder)
  }

  /** Nothing of it is to be. */
  override def abort(): Abortable.AbortableResult = {
    val already = closed
    if (!closed) drop()
    new Abortable.AbortableResult {
      override def alreadyClosed(): Boolean = already
      override def anyCleanupException(): IOException = null
    }
  }

  /** Once no part is on its way: one that came after the end of its upload would stay. */
  private def drop(): Unit = {
    closed = true
    dropped = true
    piece.remove()
    parts.foreach(part => scala.util.Try(part.get()))
    upload.foreach(bucket.abort(key, _))
  }

  override def hasCapability(name: String): Boolean = name == StreamCapabilities.ABORTABLE_STREAM
}
