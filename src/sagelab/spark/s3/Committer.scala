package sagelab.s3

import java.net.URLDecoder
import java.nio.charset.StandardCharsets.UTF_8
import java.util.concurrent.ConcurrentHashMap

import scala.jdk.CollectionConverters._

import org.apache.hadoop.fs.Path
import org.apache.hadoop.mapreduce.{JobContext, JobStatus, TaskAttemptContext}
import org.apache.hadoop.mapreduce.lib.output.{FileOutputCommitter, PathOutputCommitter, PathOutputCommitterFactory}

/** Parts that are in S3 and become an object when their job is committed. */
final case class Pending(key: String, upload: String, tags: Seq[String], length: Long) {
  def line: String = (Seq(key, upload, s"$length") ++ tags).map(Signer.encode(_)).mkString(" ")
}

object Pending {
  def of(line: String): Pending = {
    val words = line.split(' ').map(URLDecoder.decode(_, UTF_8)).toSeq
    Pending(words.head, words(1), words.drop(3), words(2).toLong)
  }
}

/** What one attempt of a task has written: held by the process that runs it, until the task is committed. */
final class Uncommitted(val place: String) {
  private val held = new ConcurrentHashMap[String, Pending]

  def add(pending: Pending): Unit = held.put(pending.key, pending)
  def get(key: String): Option[Pending] = Option(held.get(key))
  def remove(key: String): Option[Pending] = Option(held.remove(key))
  def all: Seq[Pending] = held.values.asScala.toSeq.sortBy(_.key)
}

/** The attempts of this process. A path of theirs is OUTPUT/__uncommitted-JOB/ATTEMPT/__base/NAME for OUTPUT/NAME. */
object Uncommitted {
  val Folder = "__uncommitted-"
  private val Place = s"(?s)(|.*?/)$Folder([^/]+)/([^/]+)/__base/(.+)".r
  private val attempts = new ConcurrentHashMap[String, Uncommitted]

  def begin(bucket: String, place: String): Unit = attempts.put(s"$bucket/$place", new Uncommitted(place))
  def of(bucket: String, place: String): Option[Uncommitted] = Option(attempts.get(s"$bucket/$place"))
  def end(bucket: String, place: String): Unit = attempts.remove(s"$bucket/$place")

  /** The attempt that a key belongs to, and the key that it stands for. */
  def find(bucket: String, key: String): Option[(Uncommitted, String)] = key match {
    case Place(output, job, attempt, rest) => of(bucket, s"$output$Folder$job/$attempt").map((_, output + rest))
    case _ => None
  }
}

/** Commits what tasks have written to S3 without a copy: their files are uploads that become objects with the job.
  *
  * Of any other file system it is Hadoop's own.
  */
final class Committer(output: Path, context: TaskAttemptContext) extends FileOutputCommitter(output, context) {
  private val direct = Option(output).map(_.getFileSystem(context.getConfiguration)).collect { case fs: S3FileSystem => fs }
  private val job = {
    val named = Option(context.getConfiguration.get("spark.sql.sources.writeJobUUID"))
    named.getOrElse(s"${context.getJobID}")
  }

  private def folder: Path = new Path(output, s"${Uncommitted.Folder}$job")
  private def attempt(task: TaskAttemptContext): Path = new Path(folder, s"${task.getTaskAttemptID}")
  private def place(fs: S3FileSystem, task: TaskAttemptContext): String = fs.key(attempt(task))

  override def getWorkPath: Path =
    if (direct.isEmpty) super.getWorkPath else new Path(attempt(context), "__base")

  override def setupJob(context: JobContext): Unit = if (direct.isEmpty) super.setupJob(context)

  override def setupTask(task: TaskAttemptContext): Unit =
    direct.fold(super.setupTask(task))(fs => Uncommitted.begin(fs.bucket.name, place(fs, task)))

  override def needsTaskCommit(task: TaskAttemptContext): Boolean = direct.fold(super.needsTaskCommit(task)) { fs =>
    Uncommitted.of(fs.bucket.name, place(fs, task)).exists(_.all.nonEmpty)
  }

  /** A task that is done twice has one file: the last one's. */
  override def commitTask(task: TaskAttemptContext): Unit = direct.fold(super.commitTask(task)) { fs =>
    val written = Uncommitted.of(fs.bucket.name, place(fs, task)).toSeq.flatMap(_.all)
    val key = fs.key(new Path(folder, s"${task.getTaskAttemptID.getTaskID}.pending"))
    fs.bucket.put(key, Body.of(written.map(_.line).mkString("\n").getBytes(UTF_8)))
    Uncommitted.end(fs.bucket.name, place(fs, task))
  }

  override def abortTask(task: TaskAttemptContext): Unit = direct.fold(super.abortTask(task)) { fs =>
    val written = Uncommitted.of(fs.bucket.name, place(fs, task)).toSeq.flatMap(_.all)
    written.foreach(one => fs.bucket.abort(one.key, one.upload))
    Uncommitted.end(fs.bucket.name, place(fs, task))
  }

  override def commitJob(context: JobContext): Unit = direct.fold(super.commitJob(context)) { fs =>
    val written = pending(fs)
    try Bucket.sideBySide(written.map(one => () => fs.bucket.complete(one.key, one.upload, one.tags)))
    catch { case error: Throwable => written.foreach(one => fs.bucket.abort(one.key, one.upload)); throw error }
    if (context.getConfiguration.getBoolean(FileOutputCommitter.SUCCESSFUL_JOB_OUTPUT_DIR_MARKER, true))
      fs.bucket.put(fs.key(new Path(output, FileOutputCommitter.SUCCEEDED_FILE_NAME)), Body.empty)
    fs.remove(folder)
  }

  override def abortJob(context: JobContext, state: JobStatus.State): Unit =
    direct.fold(super.abortJob(context, state)) { fs =>
      pending(fs).foreach(one => fs.bucket.abort(one.key, one.upload))
      fs.remove(folder)
    }

  override def cleanupJob(context: JobContext): Unit = direct.fold(super.cleanupJob(context))(_.remove(folder))
  override def isCommitJobRepeatable(context: JobContext): Boolean =
    direct.isEmpty && super.isCommitJobRepeatable(context)

  /** The uploads of all tasks that were committed. */
  private def pending(fs: S3FileSystem): Seq[Pending] = {
    val files = fs.bucket.pages(s"${fs.key(folder)}/", deep = true).flatMap(_.entries).filter(_.key.endsWith(".pending")).toSeq
    Bucket.sideBySide(files.filter(_.size > 0).map { file => () =>
      val bytes = new Array[Byte](file.size.toInt)
      new Input(fs.bucket, file, bytes.length, _ => ()).readFully(0, bytes, 0, bytes.length)
      new String(bytes, UTF_8).split('\n').map(Pending.of).toSeq
    }).flatten
  }
}

/** For the output formats that ask for a committer by the scheme of their output. */
final class CommitterFactory extends PathOutputCommitterFactory {
  override def createOutputCommitter(output: Path, context: TaskAttemptContext): PathOutputCommitter =
    new Committer(output, context)
}
